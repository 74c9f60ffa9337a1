// Every page works without this file. It adds two comforts and takes both back when the browser
// restores the page from its back/forward cache.

const RESEND_AFTER = 10_000;

for (const button of document.querySelectorAll('.reveal')) {
  const input = document.getElementById(button.getAttribute('aria-controls'));
  const show = (shown) => {
    input.type = shown ? 'text' : 'password';
    button.setAttribute('aria-pressed', String(shown));
  };
  button.hidden = false;
  button.addEventListener('click', () => show(input.type === 'password'));
  // A password left readable would be remembered as ordinary form text.
  input.form.addEventListener('submit', () => show(false));
}

// A second press is swallowed, not the button disabled: a disabled button loses its name and value,
// and stays disabled when the person comes back to the page.
for (const form of document.forms) {
  if ('stays' in form.dataset) continue;
  form.addEventListener('submit', (event) => {
    if (form.getAttribute('aria-busy') === 'true') {
      event.preventDefault();
      return;
    }
    form.setAttribute('aria-busy', 'true');
    setTimeout(() => form.removeAttribute('aria-busy'), RESEND_AFTER);
  });
}

// How good a new password is: the server says, whose rules decide. Without an answer nothing is said.
const RATE_AFTER = 300;
const PERSONAL = ['email', 'identifier', 'username', 'name', 'given_name', 'family_name'];

for (const strength of document.querySelectorAll('.strength')) {
  const { form } = document.getElementById('new_password');
  const input = form.elements.new_password;
  const meter = strength.querySelector('.meter');
  const text = strength.querySelector('p');
  let timer;
  let request;

  const show = ({ score, hints }) => {
    const said = hints.join(' ');
    meter.setAttribute('aria-valuenow', score);
    meter.setAttribute('aria-valuetext', hints[0] ?? '');
    // The same words again would be read out again.
    if (text.textContent !== said) text.textContent = said;
  };
  const rate = async () => {
    request?.abort();
    request = new AbortController();
    const { signal } = request;
    const known = PERSONAL.map((name) => form.elements[name]?.value).filter(Boolean);
    const body = new URLSearchParams({
      new_password: input.value,
      words: [...known, strength.dataset.words].join('\n'),
      lang: document.documentElement.lang,
    });
    try {
      if (input.value === '') throw new Error('nothing to rate');
      const response = await fetch(strength.dataset.strength, { method: 'POST', body, signal });
      if (!response.ok) throw new Error(response.statusText);
      show(await response.json());
    } catch {
      if (!signal.aborted) show({ score: 0, hints: [] });
    }
  };
  strength.hidden = false;
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(rate, RATE_AFTER);
  });
}

// A short name follows the name until somebody writes one; left empty, the server makes the same.
for (const slug of document.querySelectorAll('[data-slug-of]')) {
  const name = document.getElementById(slug.dataset.slugOf);
  let written = slug.value !== '';
  slug.addEventListener('input', () => {
    written = slug.value !== '';
  });
  name.addEventListener('input', () => {
    if (written) return;
    const letters = name.value.normalize('NFKD').toLowerCase().replace(/\p{M}/gu, '');
    slug.value = letters
      .replace(/[^a-z0-9]+/g, '-')
      .slice(0, slug.maxLength)
      .replace(/^-+|-+$/g, '');
  });
}

addEventListener('pageshow', () => {
  for (const form of document.forms) form.removeAttribute('aria-busy');
});

// Keys and recovery codes: what a page without script can't do with them.
for (const button of document.querySelectorAll('[data-copy]')) {
  // Only offered where the page came over a safe connection.
  button.hidden = !navigator.clipboard;
  button.addEventListener('click', async () => {
    const lines = [...document.getElementById(button.dataset.copy).children];
    // The spaces between the groups of a key are for the eye only.
    const text = lines.map(({ textContent }) => textContent.replace(/\s/g, '')).join('\n');
    await navigator.clipboard.writeText(text);
    button.textContent = button.dataset.done;
  });
}
for (const button of document.querySelectorAll('[data-print]')) {
  button.hidden = false;
  button.addEventListener('click', () => print());
}
