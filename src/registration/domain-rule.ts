import type { Config } from '../config.ts';

/**
 * Whether an address in canonical form may sign up by its domain. A blocked domain blocks those
 * below it as well; an allowed one allows only itself, as those below it can be anybody's.
 */
export function createDomainRule({ policy, domains, blockedDomains }: Config['signUp']): {
  allows: (email: string) => boolean;
} {
  const allowed = new Set(domains);
  const blocked = new Set(blockedDomains);
  return {
    allows: (email) => {
      const domain = email.slice(email.lastIndexOf('@') + 1);
      if (policy === 'domains' && !allowed.has(domain)) return false;
      return !withParents(domain).some((name) => blocked.has(name));
    },
  };
}

/** `a.b.example` gives itself, `b.example` and `example`. */
function withParents(domain: string): string[] {
  const labels = domain.split('.');
  return labels.map((_, index) => labels.slice(index).join('.'));
}
