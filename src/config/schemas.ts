import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';

/** Seconds. */
export const DAY = 86_400;

const whole = (what: string, fallback: number, min: number, max: number) =>
  z
    .string()
    .trim()
    .refine((v) => /^\d{1,10}$/.test(v) && Number(v) >= min && Number(v) <= max, {
      error: `must be ${what} from ${min} to ${max}`,
    })
    .transform(Number)
    .default(fallback);
/** A whole number of seconds between two limits. */
export const seconds = (fallback: number, min: number, max: number) =>
  whole('a whole number of seconds', fallback, min, max);
/** A whole number between two limits. */
export const count = (fallback: number, min: number, max: number) =>
  whole('a whole number', fallback, min, max);
/** One of a few words. */
export const choice = <const T extends string>(values: readonly T[], fallback: NoInfer<T>) =>
  z.enum(values, `must be one of ${values.join(', ')}`).default(fallback as never);
/** true or false. */
export const flag = (fallback: boolean) =>
  z
    .enum(['true', 'false', '1', '0'], 'must be true or false')
    .transform((v) => v === 'true' || v === '1')
    .default(fallback);
/** A URL of one of the protocols; `words` say what is wrong with another. */
export const url = (protocols: RegExp, words: string) =>
  z.url({ protocol: protocols, error: words });

/** Values that examples and tutorials use; nobody's secret. */
const KNOWN_SECRETS = /change.?me|secret.?secret|example|(.)\1{15}/i;

/** One or two secrets, newest first. */
export const secrets = z
  .string()
  .transform((value) => value.split(',').map((s) => s.trim()))
  .superRefine((list, ctx) => {
    list.forEach((secret, i) => {
      const which = list.length === 1 ? 'the secret' : `secret ${i + 1}`;
      if (secret.length < 32) {
        ctx.addIssue({ code: 'custom', message: `${which} is shorter than 32 characters` });
      } else if (KNOWN_SECRETS.test(secret)) {
        ctx.addIssue({ code: 'custom', message: `${which} is a placeholder or repeats itself` });
      }
    });
    if (list.length > 2) {
      ctx.addIssue({ code: 'custom', message: 'at most two secrets: the new one, then the old' });
    }
    if (new Set(list).size < list.length) {
      ctx.addIssue({ code: 'custom', message: 'the two secrets are the same' });
    }
  });

/** Networks in CIDR notation. */
export const networks = z
  .string()
  .transform((value) =>
    value
      .split(',')
      .map((s) => s.trim())
      .filter(Boolean),
  )
  .superRefine((list, ctx) => {
    for (const network of list) {
      if (!ipaddr.isValidCIDR(network)) {
        ctx.addIssue({ code: 'custom', message: `${network} is not a network such as 10.0.0.0/8` });
      }
    }
  });

/** Words between commas, spaces or line ends, so that a published list can be given by file. */
export const domains = z
  .string()
  .transform((value) =>
    value
      .toLowerCase()
      .split(/[\s,]+/)
      .filter(Boolean),
  )
  .superRefine((list, ctx) => {
    for (const domain of list) {
      if (!/^[a-z0-9.-]+\.[a-z0-9-]+$/.test(domain)) {
        ctx.addIssue({ code: 'custom', message: `${domain} is not a domain such as example.com` });
      }
    }
  });

/** Names that profiles have already, or that would change what a token says. */
const TAKEN_ATTRIBUTES =
  /^(sub|iss|aud|exp|iat|nbf|jti|sid|acr|amr|azp|nonce|auth_time|at_hash|c_hash|s_hash|scope|client_id|cnf|act|org_.*|roles|permissions|organizations?|groups|name|given_name|family_name|middle_name|nickname|preferred_username|profile|picture|website|email(_verified)?|gender|birthdate|zoneinfo|locale|phone_number(_verified)?|address|updated_at)$/;

/** Profile fields as `name=Label`. */
export const attributes = z
  .string()
  .transform((value) =>
    value
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean)
      .map((part) => {
        const [name = '', ...label] = part.split('=');
        return { name: name.trim(), label: label.join('=').trim() || name.trim() };
      }),
  )
  .superRefine((list, ctx) => {
    for (const { name } of list) {
      if (!/^[a-z][a-z0-9_]{0,39}$/.test(name)) {
        ctx.addIssue({ code: 'custom', message: `${name} is not a name such as employee_number` });
      } else if (TAKEN_ATTRIBUTES.test(name)) {
        ctx.addIssue({ code: 'custom', message: `${name} has a meaning of its own already` });
      }
    }
    if (new Set(list.map(({ name }) => name)).size < list.length) {
      ctx.addIssue({ code: 'custom', message: 'names an attribute twice' });
    }
  });

/** Words between commas: some of the given ones, or any of a form. */
export const wordsOf = <const T extends string>(known: readonly T[] | undefined, form?: RegExp) =>
  z
    .string()
    .transform(
      (value) =>
        [
          ...new Set(
            value
              .toLowerCase()
              .split(/[\s,]+/)
              .filter(Boolean),
          ),
        ] as T[],
    )
    .superRefine((list, ctx) => {
      for (const word of list) {
        if (known?.includes(word) ?? form?.test(word)) continue;
        const message = known ? `${word} is none of ${known.join(', ')}` : `${word} is malformed`;
        ctx.addIssue({ code: 'custom', message });
      }
    });

/** Origins of https, or of http on localhost. */
export const origins = z
  .string()
  .transform((value) => value.split(/[\s,]+/).filter(Boolean))
  .superRefine((list, ctx) => {
    for (const origin of list) {
      const url = URL.parse(origin);
      const local = url?.protocol === 'http:' && url.hostname === 'localhost';
      if (url?.origin === origin && (url.protocol === 'https:' || local)) continue;
      const message = `${origin} is not an origin such as https://app.example.com`;
      ctx.addIssue({ code: 'custom', message });
    }
  });

/** Addresses of name servers, with a port where it isn't 53. */
export const nameServers = z
  .string()
  .transform((value) => value.split(/[\s,]+/).filter(Boolean))
  .superRefine((list, ctx) => {
    for (const server of list) {
      const [, bracketed, plain, port] = SERVER.exec(server) ?? [];
      const address = isIP(bracketed ?? '') === 6 || isIP(plain ?? '') === 4 || isIP(server) === 6;
      if (address && (port === undefined || (Number(port) > 0 && Number(port) < 65_536))) continue;
      const message = `${server} is not an address such as 192.0.2.53 or 192.0.2.53:5353`;
      ctx.addIssue({ code: 'custom', message });
    }
  });
const SERVER = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/;

/** A setting: its name in the environment, what it may be, and what docs/config.md says of it. */
export type Variable = {
  name: string;
  schema: z.ZodType;
  help: string;
  /** The default in words, where it isn't one value everywhere. */
  fallback?: string;
  /** Never shown. */
  secret?: true;
};
