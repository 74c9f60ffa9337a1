import { CookieJar } from 'tough-cookie';
import { PASSWORD } from './app.ts';

export type Page = { url: string; status: number; headers: Headers; html: string };

/** Forms and pages of the contract in login.md, as a browser without JavaScript sees them. */
export type Visitor = {
  jar: CookieJar;
  /** One request with this browser's cookies; redirects aren't followed. */
  request: (url: string, init?: RequestInit) => Promise<Response>;
  /** Follows redirects until a page, or until they leave for a URL that starts with `stopAt`. */
  open: (url: string, stopAt?: string, init?: RequestInit) => Promise<Page>;
  /** Submits the form with the given action suffix, its hidden fields included. */
  submit: (
    page: Page,
    form: string,
    fields?: Record<string, string>,
    stopAt?: string,
  ) => Promise<Page>;
  /** From an authorization URL through the sign-in page to `stopAt`. */
  signIn: (
    url: string,
    stopAt: string,
    as?: { identifier?: string; password?: string },
  ) => Promise<Page>;
};

/** A person at a browser that runs no scripts. */
export function createVisitor(headers: Record<string, string> = {}): Visitor {
  const jar = new CookieJar();
  const request: Visitor['request'] = async (url, init = {}) => {
    const sent = new Headers({ accept: 'text/html', ...headers });
    for (const [name, value] of new Headers(init.headers)) sent.set(name, value);
    const cookies = await jar.getCookieString(url);
    if (cookies) sent.set('cookie', cookies);
    const response = await fetch(url, { ...init, headers: sent, redirect: 'manual' });
    for (const cookie of response.headers.getSetCookie()) await jar.setCookie(cookie, url);
    return response;
  };
  const open: Visitor['open'] = async (url, stopAt, init) => {
    let next = url;
    let options = init;
    for (let hops = 0; hops < 15; hops += 1) {
      const response = await request(next, options);
      const location = response.headers.get('location');
      if (location === null) {
        const { status, headers: received } = response;
        return { url: next, status, headers: received, html: await response.text() };
      }
      await response.arrayBuffer();
      next = new URL(location, next).href;
      options = {};
      if (stopAt !== undefined && next.startsWith(stopAt)) {
        return { url: next, status: response.status, headers: response.headers, html: '' };
      }
    }
    throw new Error(`too many redirects, last to ${next}`);
  };
  const submit: Visitor['submit'] = (page, form, fields = {}, stopAt) => {
    const { action, hidden } = findForm(page, form);
    const body = new URLSearchParams({ ...hidden, ...fields });
    const origin = new URL(page.url).origin;
    return open(action, stopAt, { method: 'POST', body, headers: { origin } });
  };
  return {
    jar,
    request,
    open,
    submit,
    signIn: async (url, stopAt, as = {}) => {
      const page = await open(url, stopAt);
      // Signed in already, or refused.
      if (page.url.startsWith(stopAt)) return page;
      const fields = {
        identifier: as.identifier ?? 'ada@example.com',
        password: as.password ?? PASSWORD,
      };
      return submit(page, '/login', fields, stopAt);
    },
  };
}

/** The page's name by the contract: `<main data-page="…">`. */
export function pageName(page: Page): string | undefined {
  return /<main[^>]*data-page="([^"]+)"/.exec(page.html)?.[1];
}

/** Text of the page's alert, if it has one. */
export function alertText(page: Page): string | undefined {
  const alert = /role="alert"[^>]*>([\s\S]*?)<\/(?:p|div)>/.exec(page.html)?.[1];
  const text = alert
    ?.replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  // One that is empty waits for a script to have something to say.
  return text || undefined;
}

/** Where the form with this action suffix goes, and its hidden fields. */
export function findForm(
  page: Page,
  suffix: string,
): { action: string; hidden: Record<string, string> } {
  for (const [, attributes = '', inner = ''] of page.html.matchAll(
    /<form([^>]*)>([\s\S]*?)<\/form>/g,
  )) {
    const action = unescapeHtml(/action="([^"]*)"/.exec(attributes)?.[1] ?? '');
    if (!action.endsWith(suffix)) continue;
    const hidden: Record<string, string> = {};
    for (const [input] of inner.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
      const name = /name="([^"]*)"/.exec(input)?.[1];
      const value = /value="([^"]*)"/.exec(input)?.[1];
      if (name !== undefined) hidden[name] = unescapeHtml(value ?? '');
    }
    return { action: new URL(action, page.url).href, hidden };
  }
  throw new Error(
    `no form to ${suffix} on ${page.url}: ${page.status} ${page.html.slice(0, 2000)}`,
  );
}

function unescapeHtml(text: string): string {
  return text
    .replaceAll('&#34;', '"')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
