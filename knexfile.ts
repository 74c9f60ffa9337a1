import { MIGRATIONS } from './src/db/migrate.ts';

/** For `npx knex`, against DATABASE_URL; `plinto migrate` is the usual way and also knows the embedded database. */
export default {
  client: 'pg',
  connection: process.env.DATABASE_URL,
  migrations: MIGRATIONS,
};
