import { execFile } from 'node:child_process';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export type Image = {
  /** Where the image's root folder stands on this machine. */
  root: string;
  workdir: string;
  env: Record<string, string>;
  user: string;
  cmd: string[];
  healthcheck: string[];
  /** Commands that only change what the base image brought: nothing here to run them on. */
  notRun: string[];
};

type Step = { instruction: string; rest: string };

/**
 * Does in a folder what docker/Dockerfile does in an image, as far as the repository's part goes:
 * the same files of the build context, the same npm command, the same program at the end.
 */
export async function buildImage(repository: string, folder: string): Promise<Image> {
  const steps = parse(await readFile(join(repository, 'docker/Dockerfile'), 'utf8'));
  const context = await buildContext(repository);
  const stages = new Map<string, Image>();
  let image: Image | undefined;
  for (const { instruction, rest } of steps) {
    if (instruction === 'FROM') {
      const name = / AS (\S+)$/i.exec(rest)?.[1] ?? 'final';
      image = emptyImage(join(folder, name));
      stages.set(name, image);
    } else if (image === undefined) {
      throw new Error(`${instruction} before FROM`);
    } else {
      await take(image, { instruction, rest }, { repository, context, stages });
    }
  }
  return image as Image;
}

function emptyImage(root: string): Image {
  return { root, workdir: '/', env: {}, user: 'root', cmd: [], healthcheck: [], notRun: [] };
}

type Sources = { repository: string; context: string[]; stages: Map<string, Image> };

async function take(image: Image, { instruction, rest }: Step, sources: Sources): Promise<void> {
  switch (instruction) {
    case 'WORKDIR':
      image.workdir = rest;
      await mkdir(join(image.root, rest), { recursive: true });
      return;
    case 'ENV': {
      const [name = '', value = ''] = rest.split('=');
      image.env[name] = value;
      return;
    }
    case 'COPY':
      return copy(image, rest.split(/\s+/), sources);
    case 'RUN': {
      const [command = '', ...args] = rest.split(/\s+/);
      if (command !== 'npm') {
        image.notRun.push(rest);
        return;
      }
      await run(command, args, { cwd: join(image.root, image.workdir), env: npmEnvironment() });
      return;
    }
    case 'USER':
      image.user = rest;
      return;
    case 'HEALTHCHECK':
      image.healthcheck = JSON.parse(rest.replace(/^.*? CMD /, ''));
      return;
    case 'CMD':
      image.cmd = JSON.parse(rest);
      return;
    case 'EXPOSE':
      return;
    default:
      throw new Error(`a step that this test doesn't know: ${instruction}`);
  }
}

async function copy(image: Image, words: string[], sources: Sources): Promise<void> {
  const stage = words[0]?.startsWith('--from=')
    ? words.shift()?.slice('--from='.length)
    : undefined;
  const to = words.pop() as string;
  const target = join(image.root, image.workdir, to);
  for (const word of words) {
    if (stage !== undefined) {
      await cp(join(sources.stages.get(stage)?.root ?? '', word), target, { recursive: true });
      continue;
    }
    const files = sources.context.filter((file) => file === word || file.startsWith(`${word}/`));
    if (files.length === 0) throw new Error(`COPY ${word}: not in the build context`);
    for (const file of files) {
      // A folder's content goes into the target, a file to or into it (Dockerfile reference, COPY).
      const inner = file === word ? (to.endsWith('/') ? file : '') : file.slice(word.length + 1);
      await mkdir(dirname(join(target, inner)), { recursive: true });
      await cp(join(sources.repository, file), join(target, inner));
    }
  }
}

/** The repository's files without what .dockerignore keeps out. */
async function buildContext(repository: string): Promise<string[]> {
  const { stdout } = await run('git', ['ls-files', '-z'], { cwd: repository });
  const rules = (await readFile(join(repository, '.dockerignore'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const included = (file: string) => {
    let kept = true;
    for (const rule of rules) {
      const pattern = rule.replace(/^!/, '');
      if (pattern === '*' || file === pattern || file.startsWith(`${pattern}/`)) {
        kept = rule.startsWith('!');
      }
    }
    return kept;
  };
  return stdout.split('\0').filter((file) => file !== '' && included(file));
}

/** Ours without what `npm test` put there for its own project. */
function npmEnvironment(): NodeJS.ProcessEnv {
  const own =
    /^(npm_(package|lifecycle|config_local_prefix|config_global_prefix)|NODE_ENV$|INIT_CWD$)/;
  const kept = Object.entries(process.env).filter(([name]) => !own.test(name));
  return { ...Object.fromEntries(kept), npm_config_prefer_offline: 'true' };
}

function parse(text: string): Step[] {
  return text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => {
      const [instruction = '', ...rest] = line.split(' ');
      return { instruction, rest: rest.join(' ') };
    });
}
