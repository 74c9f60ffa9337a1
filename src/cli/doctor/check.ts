/** One thing that was looked at. */
export type Check = {
  name: string;
  status: 'ok' | 'warn' | 'fail';
  /** What was found. */
  message: string;
  /** What to do about it. */
  fix?: string;
};

/** All is well. */
export function ok(name: string, message: string): Check {
  return { name, status: 'ok', message };
}

/** It works, but a production setup shouldn't be like that. */
export function warn(name: string, message: string, fix: string): Check {
  return { name, status: 'warn', message, fix };
}

/** It doesn't work, or isn't safe. */
export function bad(name: string, message: string, fix: string): Check {
  return { name, status: 'fail', message, fix };
}
