import { TareError } from '../../../base/errors.ts';
import type { Span } from './parse.ts';

/** A Dockerfile that cannot be built as it stands. */
export class DockerfileError extends TareError {
  /** Undefined: the file as a whole. */
  readonly span: Span | undefined;
  /** Without the line. */
  readonly reason: string;

  /** `prefix`: what comes before the line's number; empty: the message stands alone. */
  constructor(message: string, span: Span | undefined, prefix = 'dockerfile parse error') {
    const line = span ? ` on line ${span.first}` : '';
    super('invalid', prefix === '' ? message : `${prefix}${line}: ${message}`);
    this.span = span;
    this.reason = message;
  }
}

/** The lines around the error, the ones meant marked, as people see them under the message. */
export function excerpt(lines: readonly string[], span: Span, around = 2): string {
  const from = Math.max(1, span.first - around);
  const to = Math.min(lines.length, span.last + around);
  const width = Math.max(4, String(to).length);
  const shown: string[] = [];
  for (let line = from; line <= to; line++) {
    const mark = line >= span.first && line <= span.last ? '>>>' : '   ';
    shown.push(`${String(line).padStart(width)} | ${mark} ${lines[line - 1] ?? ''}`);
  }
  return shown.join('\n');
}

/** Where an error comes from, for those who show the Dockerfile's lines themselves. */
export interface DockerfileSource extends Span {
  /** Without the excerpt. */
  readonly message: string;
  readonly path: string;
  /** The whole Dockerfile. */
  readonly text: string;
}

const sources = new WeakMap<object, DockerfileSource>();

/** What `withExcerpt` has said of an error. */
export function sourceOf(error: unknown): DockerfileSource | undefined {
  return typeof error === 'object' && error !== null ? sources.get(error) : undefined;
}

/**
 * The same error, with the Dockerfile's lines that it came of below its message. `span`: of the step in work; an error
 * of the Dockerfile itself knows better.
 */
export function withExcerpt(
  error: unknown,
  { path, text }: { readonly path: string; readonly text: string },
  span: Span | undefined,
): unknown {
  const at = error instanceof DockerfileError ? error.span : span;
  if (!(error instanceof TareError) || error.kind === 'cancelled' || at === undefined) return error;
  sources.set(error, { message: error.message, path, text, ...at });
  const rule = '-'.repeat(20);
  const lines = excerpt(text.split(/\r?\n/), at);
  error.message = [error.message, rule, `${path}:${at.first}`, rule, lines, rule].join('\n');
  return error;
}
