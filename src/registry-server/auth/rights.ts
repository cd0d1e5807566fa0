import { Glob } from 'bun';
import { messageOf, TareError } from '../../base/errors.ts';
import type { Action } from './caller.ts';

/**
 * Rights of users by repository, from a JSON file:
 *
 *     { "anonymous": [{ "repository": "public/**", "actions": ["pull"] }],
 *       "users": { "*":     [{ "repository": "shared/**", "actions": ["pull"] }],
 *                  "alice": [{ "repository": "**", "actions": ["*"] }] } }
 *
 * `*` as a user is everybody who logged in; in a repository it stands for one part, `**` for any number.
 */
export interface Rights {
  /** `user` undefined: nobody in particular. */
  may(user: string | undefined, repository: string, action: Action): boolean;
  /** True when the user may pull everything, and so may see all names. */
  mayList(user: string | undefined): boolean;
  /** True when something is open to those who do not log in. */
  readonly anonymous: boolean;
}

interface Rule {
  readonly pattern: string;
  readonly glob: Glob;
  readonly actions: ReadonlySet<string>;
}

const ACTIONS = ['pull', 'push', 'delete', '*'];

/** Without a file: whoever logged in may do everything. */
export const usersMayAll: Rights = {
  may: (user) => user !== undefined,
  mayList: (user) => user !== undefined,
  anonymous: false,
};

/** Throws `invalid` that names what is wrong. */
export function parseRights(text: string): Rights {
  const file = objectOf(parseJson(text), 'the file');
  for (const key of Object.keys(file)) {
    if (key !== 'anonymous' && key !== 'users')
      throw wrong(`unknown key "${key}": use "anonymous" and "users"`);
  }
  const anonymous = rulesOf(file.anonymous ?? [], 'anonymous');
  const users = new Map(
    Object.entries(objectOf(file.users ?? {}, '"users"')).map(([name, rules]) => [
      name,
      rulesOf(rules, name),
    ]),
  );
  const all = users.get('*') ?? [];
  const rulesFor = (user: string | undefined): readonly Rule[] =>
    user === undefined ? anonymous : [...anonymous, ...all, ...(user === '*' ? [] : (users.get(user) ?? []))];
  const allows = (rule: Rule, action: Action) => rule.actions.has(action) || rule.actions.has('*');
  return {
    may: (user, repository, action) =>
      rulesFor(user).some((rule) => allows(rule, action) && rule.glob.match(repository)),
    mayList: (user) => rulesFor(user).some((rule) => rule.pattern === '**' && allows(rule, 'pull')),
    anonymous: anonymous.length > 0,
  };
}

function rulesOf(value: unknown, where: string): readonly Rule[] {
  if (!Array.isArray(value)) throw wrong(`the rules of "${where}" must be a list`);
  return value.map((entry: unknown) => {
    const { repository, actions } = objectOf(entry, `a rule of "${where}"`);
    if (typeof repository !== 'string' || repository === '')
      throw wrong(`a rule of "${where}" has no "repository"`);
    if (!Array.isArray(actions) || !actions.every((action) => ACTIONS.includes(action))) {
      throw wrong(`"actions" of ${repository} for "${where}" must be a list of ${ACTIONS.join(', ')}`);
    }
    return { pattern: repository, glob: new Glob(repository), actions: new Set<string>(actions) };
  });
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong(`${what} must be an object`);
  return Object.fromEntries(Object.entries(value));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw wrong(`invalid JSON: ${messageOf(error)}`);
  }
}

function wrong(message: string): TareError {
  return new TareError('invalid', message);
}
