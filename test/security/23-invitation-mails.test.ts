import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BUILTIN_ROLES } from '../../src/organizations/permissions.ts';
import { newOrganization, newPerson } from '../organizations/organizations-app.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { findForm } from '../support/visitor.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.stop());

test('security 23: who owns many organizations sends no more mails than who owns one', async () => {
  const { user, visitor, page } = await newPerson(app);
  const { csrf = '' } = findForm(page, '/sign-out').hidden;
  for (let form = 0; form < 4; form += 1) {
    const { slug } = await newOrganization(app, user.id);
    const addresses = Array.from({ length: 100 }, (_, i) => `${i}@list${form}.example`).join('\n');
    const body = new URLSearchParams({ csrf, form: randomUUID(), addresses });
    body.set(BUILTIN_ROLES.member, 'yes');
    const url = `${app.issuer}/account/organizations/${slug}/invitations`;
    const answer = await visitor.request(url, { method: 'POST', body });
    await answer.arrayBuffer();
    expect(answer.status).toBe(303);
  }
  const [row] = await app.runtime.deps.db('invitations').count('* as sent');
  // The free ones, and the one after which each waits for longer.
  expect(Number(row?.sent)).toBeGreaterThanOrEqual(300);
  expect(Number(row?.sent)).toBeLessThan(310);
});
