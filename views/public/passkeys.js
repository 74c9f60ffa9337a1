// Passkeys, where the browser has them. What it is asked, and what is said when that fails, is in the
// page; its answer goes back in an ordinary form.

const { credentials } = navigator;
const supported = 'PublicKeyCredential' in window && Boolean(credentials);
const PARSERS = { create: 'parseCreationOptionsFromJSON', get: 'parseRequestOptionsFromJSON' };
const FIELDS = [
  'clientDataJSON',
  'attestationObject',
  'authenticatorData',
  'signature',
  'userHandle',
];

const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
const toText = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');

function parse(kind, options) {
  const parser = PARSERS[kind];
  if (PublicKeyCredential[parser]) return PublicKeyCredential[parser](options);
  const withBytes = (one) => one && { ...one, id: toBytes(one.id) };
  return {
    ...options,
    challenge: toBytes(options.challenge),
    user: withBytes(options.user),
    allowCredentials: options.allowCredentials?.map(withBytes),
    excludeCredentials: options.excludeCredentials?.map(withBytes),
  };
}

function serialize(credential) {
  try {
    return credential.toJSON();
  } catch {
    // Older browsers have no toJSON, and some password managers' own fails.
  }
  const { id, rawId, type, response } = credential;
  const given = FIELDS.filter((name) => response[name]);
  const fields = Object.fromEntries(given.map((name) => [name, toText(response[name])]));
  const transports = response.getTransports?.();
  return { id, rawId: toText(rawId), type, response: { ...fields, transports } };
}

let asking;

// The browser has one question at a time: that of the button replaces that of autofill.
async function ask(form, mediation) {
  asking?.abort();
  asking = new AbortController();
  const { passkey: kind, options } = form.dataset;
  const publicKey = parse(kind, JSON.parse(options));
  const { signal } = asking;
  const credential = await credentials[kind]({
    publicKey,
    signal,
    ...(mediation && { mediation }),
  });
  form.elements.credential.value = JSON.stringify(serialize(credential));
  form.submit();
}

async function autofill(form) {
  try {
    if (!(await PublicKeyCredential.isConditionalMediationAvailable())) return;
    await ask(form, 'conditional');
  } catch {
    // Nobody asked for it, so nobody is told.
  }
}

function enhance(form) {
  const alert = form.querySelector('[role=alert]');
  const words = JSON.parse(form.dataset.words);
  const fills = 'autofill' in form.dataset;
  form.hidden = false;
  form.addEventListener('submit', async (event) => {
    // Pressed twice.
    if (event.defaultPrevented) return;
    event.preventDefault();
    alert.hidden = true;
    try {
      await ask(form);
    } catch ({ name }) {
      form.removeAttribute('aria-busy');
      alert.lastElementChild.textContent = words[name] ?? words.other;
      alert.hidden = false;
      if (fills) autofill(form);
    }
  });
  if (fills) autofill(form);
}

// Tells the sign-in that a passkey can be offered afterwards.
async function sayPossible() {
  const can = await Promise.all([
    PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable?.(),
    PublicKeyCredential.isConditionalMediationAvailable?.(),
  ]);
  if (!can.includes(true)) return;
  for (const { form } of document.querySelectorAll('[autocomplete=current-password]')) {
    const field = document.createElement('input');
    Object.assign(field, { type: 'hidden', name: 'passkeys', value: 'yes' });
    form.append(field);
  }
}

if (supported) {
  for (const hint of document.querySelectorAll('[data-no-passkeys]')) hint.hidden = true;
  for (const form of document.querySelectorAll('[data-passkey]')) enhance(form);
  sayPossible().catch(() => {});
  const { signals = '{}' } = document.querySelector('[data-signals]')?.dataset ?? {};
  for (const [method, about] of Object.entries(JSON.parse(signals))) {
    PublicKeyCredential[method]?.(about).catch(() => {});
  }
}
