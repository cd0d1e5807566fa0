import type { ErrorSource } from '../buildkit.ts';
import { GrpcError, toGrpc } from '../grpc/grpc-error.ts';

/** BuildKit's names for the details of errors; their values are JSON. */
const SOURCE = 'github.com/moby/buildkit/errdefs.Source+json';

/** What the engine's classic words for a RUN that failed are with BuildKit; other words stay. */
export function inBuildKitWords(message: string): string {
  return message.replace(
    /^The command '([\s\S]*)' returned a non-zero code: (\d+)/,
    (_, command: string, code: string) =>
      `process ${JSON.stringify(command)} did not complete successfully: exit code: ${code}`,
  );
}

/** An error with the lines of the Dockerfile that it comes from, as clients show them. */
export function withSource(error: unknown, source: ErrorSource | undefined): unknown {
  if (source === undefined) return error;
  const { code, details } = toGrpc(error);
  const { path, text, first, last, message } = source;
  const value = {
    info: { filename: path, data: Buffer.from(text).toString('base64'), language: 'Dockerfile' },
    ranges: [{ start: { line: first }, end: { line: last } }],
  };
  const detail = { typeUrl: SOURCE, value: Buffer.from(JSON.stringify(value)) };
  return new GrpcError(code, inBuildKitWords(message), [...details, detail], error);
}
