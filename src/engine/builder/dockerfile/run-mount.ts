import { suggestions } from '../../../base/edit-distance.ts';
import { DockerfileError } from './dockerfile-error.ts';
import type { Span } from './parse.ts';

/** `RUN --mount=…`, by its type. Targets are as written: relative ones count from the working directory. */
export type RunMount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount;

export interface BindMount {
  readonly type: 'bind';
  readonly target: string;
  /** A stage, image or named context; empty: the build's context. */
  readonly from: string;
  /** Path in it; `/` when none is given. */
  readonly source: string;
  /** Writes are allowed and thrown away. */
  readonly writable: boolean;
}

export interface CacheMount {
  readonly type: 'cache';
  readonly target: string;
  /** The target when none is given. */
  readonly id: string;
  /** What the cache begins with: as of a bind mount; `from` is empty for an empty directory. */
  readonly from: string;
  readonly source: string;
  readonly readOnly: boolean;
  readonly sharing: 'shared' | 'private' | 'locked';
  /** Of the directory when it is made. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface TmpfsMount {
  readonly type: 'tmpfs';
  readonly target: string;
  /** Bytes; 0: no bound. */
  readonly size: number;
}

export interface SecretMount {
  readonly type: 'secret';
  readonly id: string;
  /** Empty: only as an environment variable. */
  readonly target: string;
  /** Name of the variable that holds it; empty: none. */
  readonly env: string;
  readonly required: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface SshMount {
  readonly type: 'ssh';
  readonly id: string;
  /** Empty: where the builder likes. SSH_AUTH_SOCK names it. */
  readonly target: string;
  readonly required: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

type MountType = RunMount['type'];
const TYPES: readonly MountType[] = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'];

/** The names of an option, its proper one first. */
const ALIASES: Readonly<Record<string, string>> = {
  src: 'source',
  dst: 'target',
  destination: 'target',
  ro: 'readonly',
  rw: 'readwrite',
};
const OWNED = ['mode', 'uid', 'gid'];
const OPTIONS: Readonly<Record<MountType, readonly string[]>> = {
  bind: ['target', 'from', 'source', 'readonly', 'readwrite'],
  cache: ['target', 'from', 'source', 'readonly', 'readwrite', 'id', 'sharing', ...OWNED],
  tmpfs: ['target', 'size', 'readonly', 'readwrite'],
  secret: ['target', 'source', 'id', 'required', 'env', 'readonly', ...OWNED],
  ssh: ['target', 'source', 'id', 'required', 'readonly', ...OWNED],
};
const ALL_OPTIONS = ['type', ...new Set(Object.values(OPTIONS).flat())];

/** Fields with commas between them; a field in double quotes may have commas. Throws for an open quote. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  let field = '';
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    if (quoted) {
      if (char !== '"') field += char;
      else if (text[at + 1] === '"') field += text[++at];
      else quoted = false;
    } else if (char === '"' && field === '') quoted = true;
    else if (char === ',') {
      fields.push(field);
      field = '';
    } else field += char;
  }
  if (quoted) throw new Error(`failed to parse csv mounts: ${JSON.stringify(text)} has an open quote`);
  return [...fields, field];
}

/** The stage, image or context that a mount takes from; empty: none. */
export function mountSourceOf(text: string, span: Span): string {
  const from = fieldsOf(text, span).get('from') ?? '';
  if (/\$./.test(from)) {
    throw new DockerfileError("'from' doesn't support variable expansion, define alias stage instead", span);
  }
  return from;
}

/** Reads a `--mount` without variables. Throws `DockerfileError` in BuildKit's words. */
export function parseRunMount(text: string, span: Span): RunMount {
  const fields = fieldsOf(text, span);
  const fail = (message: string): never => {
    throw new DockerfileError(message, span);
  };
  const wanted = (fields.get('type') ?? 'bind').toLowerCase();
  const type = TYPES.find((known) => known === wanted);
  if (!type) return fail(`unsupported mount type ${JSON.stringify(wanted)}${hint(wanted, TYPES)}`);
  fields.delete('type');
  for (const key of fields.keys()) {
    if (!ALL_OPTIONS.includes(key)) {
      fail(
        `unexpected key '${key}' in --mount=${text}${hint(key, [...ALL_OPTIONS, ...Object.keys(ALIASES)])}`,
      );
    }
    if (!OPTIONS[type].includes(key)) fail(notAllowed(key, type));
  }
  return READERS[type](new Options(fields, span));
}

function notAllowed(key: string, type: MountType): string {
  if (OWNED.includes(key)) return `${key} not allowed for "${type}" type mounts`;
  if (key === 'sharing') return `invalid cache sharing set for ${type} mount`;
  if (key === 'from') return `${type} mount should not have a from`;
  return `unexpected key '${key}' for mount type '${type}'`;
}

function hint(word: string, known: readonly string[]): string {
  const [nearest] = suggestions(word, known);
  return nearest === undefined ? '' : ` (did you mean ${nearest}?)`;
}

/** By proper name; a toggle without a value is `true`. */
function fieldsOf(text: string, span: Span): Map<string, string> {
  const fields = new Map<string, string>();
  let parts: string[];
  try {
    parts = csvFields(text);
  } catch (error) {
    throw new DockerfileError((error as Error).message, span);
  }
  for (const part of parts) {
    const equals = part.indexOf('=');
    const key = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
    const name = ALIASES[key] ?? key;
    if (equals >= 0) fields.set(name, part.slice(equals + 1));
    else if (['readonly', 'readwrite', 'required'].includes(name)) fields.set(name, 'true');
    else throw new DockerfileError(`invalid field '${part}' must be a key=value pair`, span);
  }
  return fields;
}

/** The options of one mount, as values. */
class Options {
  readonly #fields: ReadonlyMap<string, string>;
  readonly #span: Span;

  constructor(fields: ReadonlyMap<string, string>, span: Span) {
    this.#fields = fields;
    this.#span = span;
  }

  text(name: string): string {
    return this.#fields.get(name) ?? '';
  }

  target(type: MountType): string {
    const target = this.text('target');
    if (target !== '') return target;
    throw new DockerfileError(`--mount=type=${type} needs a target: add target=PATH`, this.#span);
  }

  toggle(name: string): boolean | undefined {
    const value = this.#fields.get(name);
    if (value === undefined) return undefined;
    if (/^(1|t|true)$/i.test(value)) return true;
    if (/^(0|f|false)$/i.test(value)) return false;
    throw new DockerfileError(`invalid value for ${name}: ${value}`, this.#span);
  }

  readOnly(): boolean | undefined {
    const writable = this.toggle('readwrite');
    return this.toggle('readonly') ?? (writable === undefined ? undefined : !writable);
  }

  number(name: string, base: 8 | 10, fallback: number): number {
    const value = this.#fields.get(name);
    if (value === undefined) return fallback;
    const digits = base === 8 ? /^[0-7]+$/ : /^\d+$/;
    const number = digits.test(value) ? Number.parseInt(value, base) : Number.NaN;
    if (number <= 0xffff_ffff) return number;
    throw new DockerfileError(`invalid value ${value} for ${name}`, this.#span);
  }

  choice<T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const value = this.#fields.get(name)?.toLowerCase();
    if (value === undefined) return fallback;
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    throw new DockerfileError(
      `unsupported ${name} value ${JSON.stringify(value)}: one of ${choices.join(', ')}`,
      this.#span,
    );
  }

  /** Bytes, as `64m`. */
  size(name: string): number {
    const value = this.#fields.get(name);
    if (value === undefined) return 0;
    const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?$/i.exec(value);
    if (!match) throw new DockerfileError(`invalid value for ${name}: ${value}`, this.#span);
    const power = ['', 'k', 'm', 'g', 't', 'p'].indexOf((match[2] ?? '').toLowerCase());
    return Math.floor(Number(match[1]) * 1024 ** power);
  }

  owner(mode: number): { mode: number; uid: number; gid: number } {
    return {
      mode: this.number('mode', 8, mode),
      uid: this.number('uid', 10, 0),
      gid: this.number('gid', 10, 0),
    };
  }

  fail(message: string): never {
    throw new DockerfileError(message, this.#span);
  }
}

const READERS: Readonly<Record<MountType, (options: Options) => RunMount>> = {
  bind: (options) => ({
    type: 'bind',
    target: options.target('bind'),
    from: options.text('from'),
    source: options.text('source') || '/',
    writable: options.readOnly() === false,
  }),
  cache: (options) => {
    const target = options.target('cache');
    return {
      type: 'cache',
      target,
      id: options.text('id') || target,
      from: options.text('from'),
      source: options.text('source') || '/',
      readOnly: options.readOnly() === true,
      sharing: options.choice('sharing', ['shared', 'private', 'locked'], 'shared'),
      ...options.owner(0o755),
    };
  },
  tmpfs: (options) => ({ type: 'tmpfs', target: options.target('tmpfs'), size: options.size('size') }),
  secret,
  ssh: (options) => ({
    type: 'ssh',
    id: options.text('id') || options.text('source') || 'default',
    target: options.text('target'),
    required: options.toggle('required') === true,
    ...options.owner(0o600),
  }),
};

function secret(options: Options): SecretMount {
  const [id, source, env] = [options.text('id'), options.text('source'), options.text('env')];
  if (id !== '' && source !== '') options.fail("both source and id can't be set");
  const given = options.text('target');
  const name = id || source || given.split('/').at(-1) || '';
  if (name === '') options.fail('invalid secret mount. one of source, target required: add id=NAME');
  const target = given !== '' ? given : env !== '' ? '' : `/run/secrets/${name.split('/').at(-1)}`;
  return {
    type: 'secret',
    id: name,
    target,
    env,
    required: options.toggle('required') === true,
    ...options.owner(0o400),
  };
}
