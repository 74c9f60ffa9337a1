import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import type { Logger } from 'pino';
import { SYSTEM } from '../../src/audit/events.ts';
import { type ClientTools, createClient } from '../../src/clients/manage-clients.ts';
import type { ClientInput } from '../../src/clients/metadata.ts';
import type { Client, ClientMetadata } from '../../src/clients/store.ts';
import { type Config, parseConfig } from '../../src/config.ts';
import {
  createPasswordHasher,
  type HashCost,
  type PasswordHasher,
} from '../../src/crypto/password-hash.ts';
import { transaction } from '../../src/db/pool.ts';
import { createClientValidator } from '../../src/oidc/validate-client.ts';
import { hashNewPassword, setPassword } from '../../src/password/set-password.ts';
import { createLogger, openRuntime, type Runtime } from '../../src/runtime.ts';
import { type RunningServer, startServer } from '../../src/server.ts';
import { type CreateUserInput, createUser } from '../../src/users/create-user.ts';
import type { User } from '../../src/users/store.ts';
import { createDatabase, type TestDatabase } from './db.ts';

/** A password that meets the rules. */
export const PASSWORD = 'violet-kettle-orbits-42';

export const SECRET = 'test-only-5f1c9a7be2d84d70b6a3c1e8f09d2b47';

/** Hundreds of sign-ins: what a hash really costs is for the tests that are about it. */
const CHEAP: HashCost = { memoryCost: 64, timeCost: 1 };

export type TestApp = {
  issuer: string;
  config: Config;
  runtime: Runtime;
  /** What it hashes passwords with. */
  hasher: PasswordHasher;
  database: TestDatabase;
  /** Every line that was logged. */
  logs: string[];
  createUser: (input?: Partial<CreateUserInput> & { password?: string }) => Promise<User>;
  createClient: (input?: TestClient) => Promise<{ client: Client; secret: string | undefined }>;
  /** The same program once more on the same database and issuer, on a port of its own. */
  startReplica: () => Promise<{ port: number; stop: () => Promise<void> }>;
  stop: () => Promise<void>;
};

export type TestClient = Partial<Omit<ClientInput, 'metadata'>> & {
  name?: string;
  firstParty?: boolean;
  id?: string;
  /** Of the organization that a machine belongs to. */
  organizationId?: string;
  metadata?: ClientMetadata;
};

/** Where test clients are redirected to; nothing listens there unless a test sees to it. */
export const CALLBACK = 'http://127.0.0.1:9/callback';

/**
 * Runs the real server on a free port and a database of its own.
 *
 * @param cost of the hashes of passwords, for tests about what they are or how long they take
 */
export async function startApp(
  env: Record<string, string> = {},
  existing?: TestDatabase,
  cost = CHEAP,
): Promise<TestApp> {
  const database = existing ?? (await createDatabase());
  const port = await freePort();
  const settings = {
    ISSUER: `http://localhost:${port}`,
    PORT: String(port),
    HOST: '127.0.0.1',
    MANAGEMENT_PORT: '0',
    DATABASE_URL: database.url,
    PLINTO_SECRET: SECRET,
    OUTBOUND_ALLOW: '127.0.0.0/8,::1/128',
    LOG_LEVEL: 'debug',
    // The browser of the tests can keep passkeys, and would be offered one after each password.
    PASSKEY_OFFER_DAYS: '0',
    ...env,
  };
  const logs: string[] = [];
  const start = async (overrides: Record<string, string>) => {
    const config = parseConfig({ ...settings, ...overrides });
    const runtime = await openRuntime(config, testLogger(config.logLevel, logs));
    const hasher = createPasswordHasher(config.passwordHashing, cost);
    const server = await startServer(config, runtime, hasher);
    return { config, runtime, hasher, server };
  };
  const { config, runtime, hasher, server } = await start({});
  const replicas: { stop: () => Promise<void> }[] = [];
  return {
    issuer: config.issuer,
    config,
    runtime,
    hasher,
    database,
    logs,
    createUser: (input = {}) => createTestUser(runtime, hasher, input),
    createClient: (input = {}) => createTestClient(runtime, config, input),
    startReplica: async () => {
      const replicaPort = await freePort();
      const replica = await start({ PORT: String(replicaPort) });
      const stop = once(() => stopAll(replica.server, replica.runtime));
      replicas.push({ stop });
      return { port: replicaPort, stop };
    },
    stop: once(async () => {
      await Promise.all(replicas.map((replica) => replica.stop()));
      await stopAll(server, runtime);
      await database.drop();
    }),
  };
}

async function stopAll(server: RunningServer, runtime: Runtime): Promise<void> {
  await server.stop();
  await runtime.close();
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work();
    return done;
  };
}

function testLogger(level: string, lines: string[]): Logger {
  return createLogger(level, { write: (line) => void lines.push(line) });
}

const hashes = new Map<string, ReturnType<typeof hashNewPassword>>();

/** Most people of the tests have the same password: hashing it is what takes longest of making one. */
async function hashOnce(
  hasher: PasswordHasher,
  password: string,
): ReturnType<typeof hashNewPassword> {
  const known = await hashes.get(password);
  if (known !== undefined && !hasher.isStale(known.hash)) return known;
  const hash = hashNewPassword(hasher, password);
  hashes.set(password, hash);
  return hash;
}

async function createTestUser(
  runtime: Runtime,
  hasher: PasswordHasher,
  { password = PASSWORD, ...input }: Partial<CreateUserInput> & { password?: string },
): Promise<User> {
  const hash = await hashOnce(hasher, password);
  return transaction(runtime.deps.db, async (trx) => {
    const created = await createUser(trx, SYSTEM, {
      email: 'ada@example.com',
      emailVerified: true,
      administrator: false,
      profile: { name: 'Ada Lovelace' },
      ...input,
    });
    if (!created.ok) throw new Error(created.reason);
    await setPassword(trx, SYSTEM, created.user, hash);
    return created.user;
  });
}

async function createTestClient(
  runtime: Runtime,
  config: Config,
  input: TestClient,
): Promise<{ client: Client; secret: string | undefined }> {
  const tools: ClientTools = {
    validate: await createClientValidator(runtime.deps, config, runtime.keyring),
    secretKeys: runtime.keyring.clientSecrets,
    randomBytes: runtime.deps.randomBytes,
  };
  return transaction(runtime.deps.db, (trx) =>
    createClient(trx, tools, SYSTEM, {
      kind: 'web',
      name: 'Test App',
      firstParty: true,
      redirectUris: [CALLBACK],
      postLogoutRedirectUris: [],
      scope: undefined,
      metadata: {},
      ...input,
    }),
  );
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
