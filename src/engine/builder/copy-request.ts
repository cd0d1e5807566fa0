import { posix } from 'node:path';
import { TareError } from '../../base/errors.ts';
import { DockerfileError } from './dockerfile/dockerfile-error.ts';
import { expandText, expandWord, type Lookup } from './dockerfile/expand.ts';
import type { Heredoc, Statement } from './dockerfile/parse.ts';
import { unknownWord } from './dockerfile/unknown-word.ts';
import { jsonWords, rawWords } from './dockerfile/words.ts';

/** A COPY or ADD with its variables replaced. */
export interface CopyRequest {
  readonly sources: readonly string[];
  /** Files that the Dockerfile itself brings, by name. */
  readonly inline: readonly InlineFile[];
  /** Absolute; with a slash at its end when a directory is meant. */
  readonly destination: string;
  /** A stage or an image; empty: the context. */
  readonly from: string;
  readonly chown: string;
  /** Octal digits or empty. */
  readonly chmod: string;
  readonly checksum: string;
  /** `--unpack`; undefined: as the source's kind has it. */
  readonly unpack: boolean | undefined;
  readonly exclude: readonly string[];
  readonly parents: boolean;
}

/** A file of the Dockerfile's own, or one that was fetched for it. */
export interface InlineFile {
  readonly name: string;
  /** Its text, unless `file` has its bytes. */
  readonly content: string;
  readonly file?: {
    /** Bytes. */
    readonly size: number;
    /** Of its last change, since the epoch. */
    readonly seconds: number;
    readonly mode: number;
    /** Hex, of its bytes. */
    readonly sha256: string;
    readonly read: () => AsyncIterable<Uint8Array>;
  };
}

const FLAGS: Readonly<Record<string, readonly string[]>> = {
  ADD: ['chown', 'chmod', 'link', 'exclude', 'checksum', 'keep-git-dir', 'unpack'],
  COPY: ['from', 'chown', 'chmod', 'link', 'parents', 'exclude'],
};

/** Reads a COPY or ADD. Throws `DockerfileError`. */
export function copyRequest(
  statement: Statement,
  lookup: Lookup,
  escapeChar: string,
  workingDir: string,
): CopyRequest {
  const { name, span } = statement;
  const flags = new Map<string, string[]>();
  const known = FLAGS[name] ?? [];
  for (const flag of statement.flags) {
    if (!known.includes(flag.name)) throw new DockerfileError(unknownWord('flag', flag.name, known), span);
    flags.set(flag.name, [...(flags.get(flag.name) ?? []), expandWord(flag.value, lookup, escapeChar)]);
  }
  const flag = (key: string): string => flags.get(key)?.at(-1) ?? '';
  const chmod = flag('chmod');
  if (chmod !== '' && !/^[0-7]{3,4}$/.test(chmod)) {
    throw new DockerfileError(`invalid chmod parameter: '${chmod}'. it should be octal string`, span);
  }
  const words = jsonWords(statement.rest) ?? rawWords(statement.rest, escapeChar);
  const expanded = words.map((word) => (isHeredoc(word) ? word : expandWord(word, lookup, escapeChar)));
  const destination = expanded.pop();
  if (destination === undefined || expanded.length === 0) {
    throw new DockerfileError(
      `${name} requires at least two arguments, but only ${words.length} was provided. Destination could not be determined`,
      span,
    );
  }
  const inline = statement.heredocs.map((heredoc) => ({
    name: heredoc.name,
    content: heredocText(heredoc, lookup, escapeChar),
  }));
  return {
    sources: expanded.filter((word) => !isHeredoc(word)),
    inline,
    destination: absolute(destination, workingDir),
    from: flag('from'),
    chown: flag('chown'),
    chmod,
    checksum: flag('checksum'),
    unpack: flags.has('unpack') ? flag('unpack') !== 'false' : undefined,
    exclude: flags.get('exclude') ?? [],
    parents: flags.has('parents') && flag('parents') !== 'false',
  };
}

export function heredocText({ content, expand }: Heredoc, lookup: Lookup, escapeChar: string): string {
  return expand ? expandText(content, lookup, escapeChar) : content;
}

function isHeredoc(word: string): boolean {
  return /^<<-?["']?[\w.-]/.test(word);
}

function absolute(path: string, workingDir: string): string {
  const whole = posix.isAbsolute(path) ? path : `${workingDir || '/'}/${path}`;
  const clean = posix.normalize(whole);
  const isDirectory = /(^|\/)\.{0,2}$/.test(path) || path.endsWith('/');
  return isDirectory && !clean.endsWith('/') ? `${clean}/` : clean;
}

/** A source split where its first pattern begins: `a/b/*.js` is `a/b` and `*.js`. */
export function splitPattern(source: string): { base: string; pattern: RegExp | undefined } {
  const parts = posix
    .normalize(`/${source}`)
    .split('/')
    .filter((part) => part !== '');
  const first = parts.findIndex((part) => /[*?[]/.test(part));
  if (first < 0) return { base: `/${parts.join('/')}`, pattern: undefined };
  return {
    base: `/${parts.slice(0, first).join('/')}`,
    pattern: globExpression(parts.slice(first).join('/')),
  };
}

/** Go's filepath.Match, and `**` for any number of directories. */
export function globExpression(glob: string): RegExp {
  let source = '';
  for (let index = 0; index < glob.length; index++) {
    const char = glob[index] ?? '';
    if (glob.startsWith('**/', index)) {
      source += '(?:.*/)?';
      index += 2;
    } else if (glob.startsWith('**', index)) {
      source += '.*';
      index++;
    } else if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '[') {
      const close = glob.indexOf(']', index + 1);
      if (close < 0) throw new TareError('invalid', `syntax error in pattern ${JSON.stringify(glob)}`);
      source += `[${glob.slice(index + 1, close).replace(/\\/g, '\\\\')}]`;
      index = close;
    } else if (char === '\\' && index + 1 < glob.length) source += escaped(glob[++index] ?? '');
    else source += escaped(char);
  }
  return new RegExp(`^${source}$`);
}

function escaped(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&');
}
