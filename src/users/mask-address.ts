/** Enough of an address to know one's own by. */
export function maskEmail(email: string): string {
  const at = email.lastIndexOf('@');
  const [first = ''] = email;
  return `${first}•••${email.slice(at)}`;
}

/** Enough of a number in E.164 to know one's own by: less of short ones. */
export function maskPhone(phone: string): string {
  return `${phone.slice(0, 3)}\u00a0•••\u00a0${phone.slice(phone.length > 10 ? -4 : -2)}`;
}
