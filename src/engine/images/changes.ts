import { messageOf, TareError } from '../../base/errors.ts';
import { parseDuration } from '../../base/go-duration.ts';
import { cleanPath, joinPaths } from '../../base/go-paths.ts';
import type { ImageRunConfig } from '../../oci/image-config.ts';

type Config = { -readonly [Key in keyof ImageRunConfig]: ImageRunConfig[Key] };

/**
 * Applies Dockerfile instructions of `--change` (CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD,
 * STOPSIGNAL, USER, VOLUME, WORKDIR) to an image's config and returns the new one. Throws `invalid`.
 */
export function applyChanges(config: ImageRunConfig, changes: readonly string[]): ImageRunConfig {
  const result: Config = { ...config };
  let hasCommand = false;
  for (const change of changes) {
    if (/^\s*#/.test(change)) continue;
    const match = /^\s*([A-Za-z]+)(?:\s+([\s\S]*))?$/.exec(change);
    if (!match) throw new TareError('invalid', `invalid change: ${JSON.stringify(change)}`);
    const name = (match[1] ?? '').toUpperCase();
    const apply = INSTRUCTIONS[name];
    if (!apply) throw new TareError('invalid', `${name.toLowerCase()} is not a valid change command`);
    const rest = (match[2] ?? '').trim();
    if (rest === '' && !MAY_BE_EMPTY.has(name)) {
      const count = WHOLE_LINE.has(name) ? 'exactly one argument' : 'at least one argument';
      throw new TareError('invalid', `${name} requires ${count}`);
    }
    apply(result, LITERAL.has(name) ? rest : expand(rest, result.Env ?? []));
    hasCommand ||= name === 'CMD';
    // A command that was meant for another entrypoint means nothing to the new one.
    if (name === 'ENTRYPOINT' && !hasCommand) result.Cmd = null;
  }
  return result;
}

/** Applies one instruction whose variables have been replaced. Throws `invalid`. */
export function applyInstruction(config: ImageRunConfig, name: string, rest: string): ImageRunConfig {
  const result: Config = { ...config };
  const apply = INSTRUCTIONS[name];
  if (!apply) throw new TareError('invalid', `unknown instruction: ${name}`);
  if (rest === '' && name !== 'CMD' && name !== 'ENTRYPOINT') {
    throw new TareError('invalid', `${name} requires at least one argument`);
  }
  apply(result, rest);
  return result;
}

/** Instructions whose variables the shell expands later, if anybody. */
const LITERAL: ReadonlySet<string> = new Set(['CMD', 'ENTRYPOINT', 'ONBUILD', 'HEALTHCHECK']);

const MAY_BE_EMPTY: ReadonlySet<string> = new Set(['CMD', 'ENTRYPOINT']);
/** Instructions whose argument is the rest of the line. */
const WHOLE_LINE: ReadonlySet<string> = new Set(['USER', 'WORKDIR', 'STOPSIGNAL']);

/** Replaces `$NAME` and `${NAME}` by what the environment has; single quotes and backslashes protect. */
function expand(text: string, env: readonly string[]): string {
  const values = new Map(env.map((entry) => [entry.split('=', 1)[0], entry.slice(entry.indexOf('=') + 1)]));
  return text.replace(
    /\\[\s\S]|'[^']*'|\$(?:\{(\w+)\}|([A-Za-z_]\w*))/g,
    (whole, braced?: string, bare?: string) => {
      const name = braced ?? bare;
      return name === undefined ? whole : (values.get(name) ?? '');
    },
  );
}

const INSTRUCTIONS: Readonly<Record<string, (config: Config, rest: string) => void>> = {
  CMD: (config, rest) => {
    config.Cmd = command(rest, config);
  },
  ENTRYPOINT: (config, rest) => {
    config.Entrypoint = rest === '' ? null : command(rest, config);
  },
  ENV: (config, rest) => {
    const env = new Map((config.Env ?? []).map((entry) => [entry.split('=', 1)[0] ?? '', entry]));
    for (const [key, value] of pairs('ENV', rest)) env.set(key, `${key}=${value}`);
    config.Env = [...env.values()];
  },
  LABEL: (config, rest) => {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairs('LABEL', rest)) };
  },
  EXPOSE: (config, rest) => {
    const ports: Record<string, Record<string, never>> = { ...config.ExposedPorts };
    for (const word of words(rest)) {
      const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(word);
      const first = Number(match?.[1]);
      const last = Number(match?.[2] ?? match?.[1]);
      if (!match || last > 65_535 || last < first)
        throw new TareError('invalid', `invalid containerPort: ${word}`);
      for (let port = first; port <= last; port++) ports[`${port}/${(match[3] ?? 'tcp').toLowerCase()}`] = {};
    }
    config.ExposedPorts = ports;
  },
  USER: (config, rest) => {
    config.User = rest;
  },
  VOLUME: (config, rest) => {
    const list = jsonList(rest) ?? words(rest);
    config.Volumes = { ...config.Volumes, ...Object.fromEntries(list.map((path) => [path, {}])) };
  },
  WORKDIR: (config, rest) => {
    config.WorkingDir = rest.startsWith('/')
      ? cleanPath(rest)
      : joinPaths('/', config.WorkingDir ?? '', rest);
  },
  STOPSIGNAL: (config, rest) => {
    config.StopSignal = rest;
  },
  ONBUILD: (config, rest) => {
    const trigger = (rest.split(/\s/, 1)[0] ?? '').toUpperCase();
    if (trigger === 'ONBUILD') {
      throw new TareError('invalid', "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    }
    if (trigger === 'FROM' || trigger === 'MAINTAINER') {
      throw new TareError('invalid', `${trigger} isn't allowed as an ONBUILD trigger`);
    }
    config.OnBuild = [...(config.OnBuild ?? []), rest];
  },
  HEALTHCHECK: (config, rest) => {
    config.Healthcheck = healthcheck(rest);
  },
};

/** The JSON form of a command, or undefined when it is not that. */
function jsonList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  if (value.every((entry) => typeof entry === 'string')) return value;
  throw new TareError('invalid', 'when using JSON array syntax, arrays must be comprised of strings only');
}

function command(rest: string, config: Config): string[] {
  if (rest === '') return [];
  return jsonList(rest) ?? [...(config.Shell ?? ['/bin/sh', '-c']), rest];
}

/** Splits at blanks outside of quotes and takes quotes and backslashes away. */
function words(text: string): string[] {
  const result: string[] = [];
  for (const match of text.matchAll(/(?:"(?:\\[\s\S]|[^"\\])*"|'[^']*'|\\[\s\S]|[^\s"'\\])+/g)) {
    result.push(
      match[0].replace(
        /"((?:\\[\s\S]|[^"\\])*)"|'([^']*)'|\\([\s\S])/g,
        (_, double?: string, single?: string, escaped?: string) =>
          double !== undefined ? double.replace(/\\(["\\$])/g, '$1') : (single ?? escaped ?? ''),
      ),
    );
  }
  return result;
}

/** `KEY=value …`, or the old form `KEY value with blanks`. */
function pairs(name: string, rest: string): Array<[string, string]> {
  const list = words(rest);
  if (!list[0]?.includes('=')) {
    const match = /^(\S+)\s+([\s\S]+)$/.exec(rest);
    if (!match) throw new TareError('invalid', `${name} must have two arguments`);
    return [[match[1] ?? '', match[2] ?? '']];
  }
  return list.map((word) => {
    const equals = word.indexOf('=');
    if (equals <= 0)
      throw new TareError(
        'invalid',
        `Syntax error - can't find = in "${word}". Must be of the form: name=value`,
      );
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

/** Nanoseconds of an option of HEALTHCHECK. */
function interval(flag: string, text: string): number {
  let value: number;
  try {
    value = parseDuration(text);
  } catch (error) {
    throw new TareError('invalid', messageOf(error), error);
  }
  if (value >= MILLISECOND) return value;
  throw new TareError('invalid', `Interval "${flag}" cannot be less than 1ms`);
}

const MILLISECOND = 1e6;

function retries(text: string): number {
  if (!/^[-+]?\d+$/.test(text)) {
    throw new TareError('invalid', `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  if (Number(text) >= 1) return Number(text);
  throw new TareError('invalid', `--retries must be at least 1 (not ${Number(text)})`);
}

function healthcheck(rest: string): NonNullable<ImageRunConfig['Healthcheck']> {
  const result: {
    -readonly [Key in keyof NonNullable<ImageRunConfig['Healthcheck']>]: NonNullable<
      ImageRunConfig['Healthcheck']
    >[Key];
  } = {};
  let text = rest;
  for (;;) {
    const match = /^--([a-z-]+)=(\S+)\s+/.exec(text);
    if (!match) break;
    const [whole, flag = '', value = ''] = match;
    text = text.slice(whole.length);
    if (flag === 'interval') result.Interval = interval(flag, value);
    else if (flag === 'timeout') result.Timeout = interval(flag, value);
    else if (flag === 'start-period') result.StartPeriod = interval(flag, value);
    else if (flag === 'start-interval') result.StartInterval = interval(flag, value);
    else if (flag === 'retries') result.Retries = retries(value);
    else throw new TareError('invalid', `Unknown flag: ${flag}`);
  }
  const match = /^(NONE|CMD)(?:\s+([\s\S]+))?$/i.exec(text);
  if (!match)
    throw new TareError(
      'invalid',
      `Unknown type ${JSON.stringify(text.split(/\s/, 1)[0])} in HEALTHCHECK (try CMD)`,
    );
  if (match[1]?.toUpperCase() === 'NONE') return { Test: ['NONE'] };
  const tail = (match[2] ?? '').trim();
  if (tail === '') throw new TareError('invalid', 'Missing command after HEALTHCHECK CMD');
  const list = jsonList(tail);
  return { ...result, Test: list ? ['CMD', ...list] : ['CMD-SHELL', tail] };
}
