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
  form.addEventListener('submit', (event) => {
    if (form.getAttribute('aria-busy') === 'true') {
      event.preventDefault();
      return;
    }
    form.setAttribute('aria-busy', 'true');
    setTimeout(() => form.removeAttribute('aria-busy'), RESEND_AFTER);
  });
}

addEventListener('pageshow', () => {
  for (const form of document.forms) form.removeAttribute('aria-busy');
});
