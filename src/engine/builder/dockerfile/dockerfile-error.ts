import { TareError } from '../../../base/errors.ts';
import type { Span } from './parse.ts';

/** A Dockerfile that cannot be built as it stands. */
export class DockerfileError extends TareError {
  /** Undefined: the file as a whole. */
  readonly span: Span | undefined;

  constructor(message: string, span: Span | undefined) {
    super(
      'invalid',
      span
        ? `dockerfile parse error on line ${span.first}: ${message}`
        : `dockerfile parse error: ${message}`,
    );
    this.span = span;
  }
}

/** The lines around the error, the ones meant marked, as people see them under the message. */
export function excerpt(lines: readonly string[], span: Span, around = 2): string {
  const from = Math.max(1, span.first - around);
  const to = Math.min(lines.length, span.last + around);
  const width = String(to).length;
  const shown: string[] = [];
  for (let line = from; line <= to; line++) {
    const mark = line >= span.first && line <= span.last ? '>>>' : '   ';
    shown.push(`${String(line).padStart(width)} | ${mark} ${lines[line - 1] ?? ''}`);
  }
  return shown.join('\n');
}
