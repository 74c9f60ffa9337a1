import { describe, expect, test } from 'vitest';
import {
  canonicalEmail,
  canonicalIdentifier,
  canonicalUsername,
} from '../../src/users/identifiers.ts';

const LABEL = 'a'.repeat(63);

describe('an address has one canonical form', () => {
  test.each([
    ['ada@example.com', 'ada@example.com'],
    [' ada@example.com\n', 'ada@example.com'],
    ['Ada@Example.COM', 'Ada@example.com'],
    ["o'hara+shop@example.com", "o'hara+shop@example.com"],
    ['ada@localhost', 'ada@localhost'],
    // NFKC folds what looks the same: full width, ligatures, other at signs and dots.
    ['ａｄａ＠example。com', 'ada@example.com'],
    ['ﬁ@example.com', 'fi@example.com'],
    ['a\u0308da@example.com', 'äda@example.com'],
    // IDNA: one spelling of a domain, and it is the one that mail servers know.
    ['ada@bücher.example', 'ada@xn--bcher-kva.example'],
    ['ada@BÜCHER.example', 'ada@xn--bcher-kva.example'],
    ['ada@xn--bcher-kva.example', 'ada@xn--bcher-kva.example'],
    ['ada@faß.de', 'ada@xn--fa-hia.de'],
    ['ada@例え.jp', 'ada@xn--r8jz45g.jp'],
    ['ada@exam\u00adple.com', 'ada@example.com'],
    [`${'x'.repeat(64)}@example.com`, `${'x'.repeat(64)}@example.com`],
    [`ada@${LABEL}.com`, `ada@${LABEL}.com`],
  ])('%j is %j', (input, expected) => {
    expect(canonicalEmail(input)).toBe(expected);
    expect(canonicalEmail(expected)).toBe(expected);
  });
});

describe('what isn’t a single plain address is refused', () => {
  test.each([
    ['nothing', ''],
    ['no domain', 'ada'],
    ['an empty domain', 'ada@'],
    ['no mailbox', '@example.com'],
    ['two addresses', 'a@b.example,c@d.example'],
    ['a list with a semicolon', 'a@b.example;c@d.example'],
    ['a list with a space', 'a@b.example c@d.example'],
    ['two at signs', 'ada@@example.com'],
    ['a route', '@relay.example:ada@example.com'],
    ['a display name', 'Ada <ada@example.com>'],
    ['angle brackets', '<ada@example.com>'],
    ['a quoted mailbox', '"a b"@example.com'],
    ['a quoted at sign', '"eve@evil.example"@example.com'],
    ['an escape', 'a\\b@example.com'],
    ['a comment', 'ada(comment)@example.com'],
    ['a group', 'group:ada@example.com'],
    ['a header injected behind it', 'ada@example.com\r\nBcc: eve@example.com'],
    ['a header injected before it', 'x\r\nBcc: eve@evil.example\r\n\r\nada@example.com'],
    ['a line feed in the mailbox', 'a\nda@example.com'],
    ['a tab', 'a\tda@example.com'],
    ['a NUL byte', 'ada\0@example.com'],
    ['a NUL byte at the end', 'ada@example.com\0'],
    ['a zero-width joiner in the mailbox', 'ad\u200da@example.com'],
    ['an override of direction', 'ada\u202e@example.com'],
    ['an override of direction in the domain', 'ada@\u202eexample.com'],
    ['half a character', '\ud800@example.com'],
    ['half a character in the domain', 'ada@\ud800.com'],
    ['a dot first', '.ada@example.com'],
    ['a dot last', 'ada.@example.com'],
    ['two dots', 'a..da@example.com'],
    ['two dots in the domain', 'ada@example..com'],
    ['a dot before the domain', 'ada@.example.com'],
    ['a dot after the domain', 'ada@example.com.'],
    ['a label that starts with a hyphen', 'ada@-example.com'],
    ['a label that ends with a hyphen', 'ada@example-.com'],
    ['a label too long', `ada@${LABEL}a.com`],
    ['a mailbox too long', `${'x'.repeat(65)}@example.com`],
    ['a mailbox too long in octets', `${'ä'.repeat(33)}@example.com`],
    ['an address too long', `${'x'.repeat(60)}@${`${LABEL}.`.repeat(3)}example`],
    ['an address literal', 'ada@[192.0.2.1]'],
    ['an IPv4 address', 'ada@192.0.2.1'],
    ['an IPv4 address in disguise', 'ada@3221225985'],
    ['an IPv4 address in hexadecimal', 'ada@0xc0.1'],
    ['a path that a URL parser cuts off', 'ada@example.com/evil.example'],
    ['a query that a URL parser cuts off', 'ada@example.com?evil.example'],
    ['a fragment that a URL parser cuts off', 'ada@example.com#evil.example'],
    ['a port', 'ada@example.com:25'],
    ['an encoded domain', 'ada@ex%61mple.com'],
    ['an encoded line feed', 'ada@example.com%0aBcc'],
    ['an underscore in the domain', 'ada@exa_mple.com'],
    ['Punycode that decodes to nothing', 'ada@xn--.example'],
  ])('%s', (_, input) => {
    expect(canonicalEmail(input)).toBeUndefined();
  });
});

describe('a username has one canonical form', () => {
  test.each([
    ['ada', 'ada'],
    [' Ada ', 'Ada'],
    ['ada.love_lace-1', 'ada.love_lace-1'],
    ['ａｄａ', 'ada'],
    ['𝒶da', 'ada'],
    ['a\u0308da', 'äda'],
    ['日本語', '日本語'],
    ['x'.repeat(64), 'x'.repeat(64)],
  ])('%j is %j', (input, expected) => {
    expect(canonicalUsername(input)).toBe(expected);
    expect(canonicalUsername(expected)).toBe(expected);
  });

  test.each([
    ['nothing', ''],
    ['an address', 'ada@example.com'],
    ['a full-width at sign', 'ada＠example.com'],
    ['a dot first', '.ada'],
    ['a hyphen last', 'ada-'],
    ['a space', 'ada lovelace'],
    ['a NUL byte', 'ada\0'],
    ['a line feed', 'a\nda'],
    ['markup', '<b>ada</b>'],
    ['a zero-width space', 'admin\u200b'],
    ['an override of direction', 'ada\u202e'],
    ['65 characters', 'x'.repeat(65)],
  ])('%s is refused', (_, input) => {
    expect(canonicalUsername(input)).toBeUndefined();
  });
});

describe('what is typed to sign in', () => {
  test.each([
    ['ada@BÜCHER.example', 'ada@xn--bcher-kva.example'],
    ['ａｄａ', 'ada'],
    ['not an identifier', 'not an identifier'],
    ['a@b,c@d', 'a@b,c@d'],
  ])('%j is looked up as %j', (input, expected) => {
    expect(canonicalIdentifier(input)).toBe(expected);
  });
});
