import { v7 as uuid } from 'uuid';
import { hashToken } from '../../src/crypto/token-hash.ts';
import { CALLBACK, PASSWORD } from '../support/app.ts';
import { authorizationUrl } from '../support/authorization.ts';
import { linkIn } from '../support/mailbox.ts';
import { openAccount, type Person, type Scene, type Stage, sceneOf, send } from './every-form.ts';

type Setter = (stage: Stage) => Promise<Scene>;

/** Before the second factor, which they lost. */
const atLostFactors: Setter = async (stage) => {
  const person = await stage.person();
  const user_id = person.user.id;
  const secret = 'sealed by nobody';
  await stage.runtime.deps.db('totp_credentials').insert({ id: uuid(), user_id, secret });
  const visitor = stage.browser();
  const url = authorizationUrl(stage, stage.clientId);
  const credentials = { identifier: person.email, password: PASSWORD };
  const { url: interaction } = await visitor.signIn(url, CALLBACK, credentials);
  const page = await visitor.open(`${interaction}/lost-factors`);
  return { ...sceneOf(visitor, page, '/lost-factors'), person };
};

/** Behind the link that was mailed when they said so. */
const atCancelling: Setter = async (stage) => {
  const lost = await atLostFactors(stage);
  const person = lost.person as Person;
  await send(lost);
  const link = linkIn(await stage.mailbox.waitFor(person.email));
  const visitor = stage.browser();
  const page = await visitor.open(link);
  return { ...sceneOf(visitor, page, new URL(link).pathname), person };
};

/** Signed in while somebody says so. */
const inAccount: Setter = async (stage) => {
  const person = await stage.person();
  const { visitor } = await openAccount(stage, person, '/account');
  const { db } = stage.runtime.deps;
  await db('factor_recoveries').insert({
    user_id: person.user.id,
    token_hash: hashToken(person.email),
    ready_at: db.raw("now() + interval '1 hour'"),
    expires_at: db.raw("now() + interval '1 day'"),
  });
  const page = await visitor.open(`${stage.issuer}/account`);
  return { ...sceneOf(visitor, page, '/account/lost-factors'), person };
};

/** Forms of who lost their second factors. */
export const LOST_FACTOR_FORMS: Readonly<Record<string, Setter>> = {
  '/interaction/:uid/lost-factors': atLostFactors,
  '/lost-factors/:token': atCancelling,
  '/account/lost-factors': inAccount,
};
