import { readFileSync } from 'node:fs';
import { type Html, html } from './html.ts';
import type { Notice } from './sessions.ts';
import type { SignedIn } from './sign-in.ts';

/** Served as a file of its own, because the pages allow no inline styles. */
export const STYLESHEET = readFileSync(new URL('./demo.css', import.meta.url), 'utf8');

/** Claims that are seconds since the epoch. */
const TIMES = new Set(['iat', 'exp', 'auth_time', 'updated_at']);

/** The page of somebody who isn't signed in; `hint` says how to get the first account. */
export function homePage(page: {
  issuer: string;
  /** Whether the server lets people sign up (`prompt=create`). */
  signUp: boolean;
  notice: Notice | undefined;
  hint: boolean;
}): string {
  return layout(
    'Demo app',
    page.notice,
    html`<section class="card narrow">
      <h1>Demo app</h1>
      <p class="lead">A small web application that leaves signing in to <a href="${page.issuer}">${page.issuer}</a>.</p>
      <div class="actions">
        <a class="button primary" href="/sign-in">Sign in</a>
        ${page.signUp ? html`<a class="button" href="/sign-in?prompt=create">Create an account</a>` : undefined}
      </div>
      ${page.hint ? NO_ACCOUNT : undefined}
    </section>`,
  );
}

const NO_ACCOUNT = html`<p class="hint">Nobody has an account yet. Create the first one with the setup link that
  <code>npm start</code> printed, or with <code>npx plinto user create</code>.</p>`;

/** The page of somebody who is: what the server said about them, and what can be done next. */
export function signedInPage(page: {
  issuer: string;
  notice: Notice | undefined;
  signedIn: SignedIn;
}): string {
  const { signedIn } = page;
  const { claims, userinfo } = signedIn;
  const { iss, sub, aud, ...rest } = claims;
  const name = userinfo.name ?? userinfo.email ?? sub;
  return layout(
    'Signed in · Demo app',
    page.notice,
    html`<section class="card">
      <h1>Signed in as ${name}</h1>
      <p class="lead">By <a href="${page.issuer}">${page.issuer}</a> on ${moment(claims.auth_time ?? claims.iat)}.</p>
      <div class="actions">
        <form method="post" action="/refresh"><button class="button primary">Refresh</button></form>
        <a class="button" href="/sign-in?prompt=login">Sign in again</a>
        <a class="button" href="${page.issuer}/account">Your account</a>
        <form method="post" action="/sign-out"><button class="button">Sign out</button></form>
      </div>
    </section>
    ${section('id-token', 'ID token', html`How and when the person signed in. Its signature was checked.`, facts({ iss, sub, aud, ...rest }))}
    ${section('userinfo', 'Userinfo', html`What the server says about the person now.`, facts(userinfo))}
    ${section(
      'access-token',
      'Access token',
      html`For calling the server. It means nothing to this app, and ends on ${moment(signedIn.accessTokenExpiresAt)}.`,
      html`<p><code class="token">${signedIn.accessToken}</code></p>
      ${facts({ scope: signedIn.scope })}`,
    )}`,
  );
}

function section(id: string, title: string, lead: Html, body: Html): Html {
  return html`<section class="card" id="${id}" aria-labelledby="${id}-title">
    <h2 id="${id}-title">${title}</h2>
    <p class="hint">${lead}</p>
    ${body}
  </section>`;
}

function facts(values: Record<string, unknown>): Html {
  const rows = Object.entries(values).map(
    ([name, value]) => html`<div><dt>${name}</dt><dd>${show(name, value)}</dd></div>`,
  );
  return html`<dl>${rows}</dl>`;
}

function show(name: string, value: unknown): Html {
  if (typeof value === 'number' && TIMES.has(name)) {
    return html`${value} <span class="hint">${moment(value)}</span>`;
  }
  return html`${typeof value === 'string' ? value : JSON.stringify(value)}`;
}

function moment(seconds: number): Html {
  const iso = new Date(seconds * 1000).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 19).replace('T', ' ')} UTC</time>`;
}

function layout(title: string, notice: Notice | undefined, body: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>${title}</title>
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/demo.css">
</head>
<body>
  <main>
    ${notice && html`<p class="notice ${notice.kind}" role="${notice.kind}">${notice.text}</p>`}
    ${body}
  </main>
</body>
</html>`.text;
}
