import type { Sample } from '../page-samples.ts';

const TEXT = `Confirm your email address

Enter this code where you are signing up:

    40718253

Or open this link on the same device:
https://id.example/verify-email/uF3q0cS8yq1nVt5mX2pLr7wKd9zBhGjA4eQoTiYsUvE`;
const PREVIEWS = ['sign-up-code', 'invitation', 'new-device'].map((name) => ({
  name,
  url: `/dev/mail/preview/${name}`,
}));

/** What the development mailbox shows. */
export const SAMPLES: Sample[] = [
  {
    name: 'dev-mail',
    page: 'dev-mail',
    locals: {
      messages: [
        {
          channel: 'mail',
          url: '/dev/mail/1',
          subject: 'Your code for Plinto',
          recipient: 'ada.lovelace@example.com',
          at: '23 Nov 2026, 21:36:43',
        },
        {
          channel: 'sms',
          url: '/dev/mail/2',
          subject: null,
          recipient: '+351912345678',
          at: '23 Nov 2026, 21:36:40',
        },
      ],
      previews: PREVIEWS,
    },
  },
  { name: 'dev-mail empty', page: 'dev-mail', locals: { messages: [], previews: PREVIEWS } },
  {
    name: 'dev-mail-message',
    page: 'dev-mail-message',
    locals: {
      subject: 'Your code for Plinto',
      recipient: 'ada.lovelace@example.com',
      at: '23 Nov 2026, 21:36:43',
      text: TEXT,
      link: '/verify-email/token',
      htmlUrl: '/dev/mail/1/html',
      listUrl: '/dev/mail',
    },
  },
  {
    name: 'dev-mail-message sms',
    page: 'dev-mail-message',
    locals: {
      subject: null,
      recipient: '+351912345678',
      at: '23 Nov 2026, 21:36:40',
      text: '40718253 is your code for Plinto. Never tell it to anybody.',
      listUrl: '/dev/mail',
    },
  },
  {
    name: 'dev-mail-message preview',
    page: 'dev-mail-message',
    locals: {
      subject: 'Your code for Plinto',
      text: TEXT,
      htmlUrl: '/dev/mail/preview/sign-up-code/html?lang=en',
      listUrl: '/dev/mail',
      languages: [
        { lang: 'en', url: '/dev/mail/preview/sign-up-code?lang=en', current: true },
        { lang: 'de', url: '/dev/mail/preview/sign-up-code?lang=de', current: false },
      ],
    },
  },
  {
    name: 'dev-mail-message hostile',
    page: 'dev-mail-message',
    locals: {
      subject: '<img src=x onerror="window.hit=1">',
      recipient: `${'w'.repeat(64)}@${'sub.'.repeat(45)}example.com`,
      at: '23 Nov 2026, 21:36:43',
      text: `<script>window.hit=1</script> ${'x'.repeat(400)}`,
      listUrl: '/dev/mail',
    },
  },
];
