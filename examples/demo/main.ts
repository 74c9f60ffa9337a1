import { createServer, type RequestListener, type Server } from 'node:http';
import { ConfigError, loadConfig } from '../../src/config.ts';
import { createDemo } from './app.ts';
import { registerDemo } from './register-client.ts';
import { connect } from './sign-in.ts';

const FIRST_PORT = 3100;
/** Ports tried, one after the other, when the first is taken. */
const TRIES = 50;

/**
 * Finds the server that `npm start` runs with the same environment and folder, registers this app
 * with it, and serves it until stopped.
 */
async function main(): Promise<void> {
  const config = loadConfig(process.cwd(), process.env);
  await assertRunning(config.issuer);
  let handle: RequestListener = (_req, res) => res.writeHead(503, { 'Retry-After': '1' }).end();
  const server = createServer((req, res) => handle(req, res));
  const port = await listen(server, Number(process.env.DEMO_PORT || FIRST_PORT));
  const url = `http://localhost:${port}`;
  const client = await registerDemo(config, url);
  const provider = await connect(config.issuer, client.id, client.secret);
  handle = createDemo({ provider, url, freshInstallation: client.nobodyYet });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      server.close(() => process.exit(0));
      server.closeAllConnections();
    });
  }
  console.log(`\n  The demo app is ready at ${url}`);
  console.log(`  It signs people in at ${config.issuer} as the client ${client.id}\n`);
}

/** Asked before anything else: opening its database would start one where none runs. */
async function assertRunning(issuer: string): Promise<void> {
  const found = await fetch(`${issuer}/.well-known/openid-configuration`).then(
    async (response) => (response.ok ? ((await response.json()) as { issuer?: string }) : {}),
    () => undefined,
  );
  if (found === undefined) {
    throw new Error(`Plinto isn't running at ${issuer}: start it with npm start first`);
  }
  if (found.issuer !== issuer) {
    throw new Error(`What runs at ${issuer} isn't Plinto: set ISSUER or PORT as for npm start`);
  }
}

async function listen(server: Server, first: number): Promise<number> {
  for (let port = first; port < first + TRIES; port += 1) {
    const taken = await new Promise<boolean>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EADDRINUSE' ? resolve(true) : reject(error),
      );
      server.listen(port, '127.0.0.1', () => resolve(false));
    });
    server.removeAllListeners('error');
    if (!taken) return port;
  }
  throw new Error(`no free port from ${first} on: set DEMO_PORT`);
}

await main().catch((error: Error) => {
  console.error(error instanceof ConfigError ? error.message : `demo: ${error.message}`);
  process.exit(1);
});
