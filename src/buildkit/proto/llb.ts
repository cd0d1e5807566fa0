import { blob, field, int32, int64, list, map, message, nested, text, truth } from './message.ts';

/** The parts of `pb` (BuildKit's low-level definition) that other messages name. */

/** A graph of operations, of which the last only names the one that counts; metadata by their digests. */
export const Definition = message({ def: list(1, blob), metadata: map(2, nested(message({}))) });
const Input = message({ digest: field(1, text), index: field(2, int64) });
const Source = message({ identifier: field(1, text), attrs: map(2, text) });
export const Operation = message({ inputs: list(1, nested(Input)), source: field(3, nested(Source)) });
export const Platform = message({
  architecture: field(1, text),
  os: field(2, text),
  variant: field(3, text),
});
const Position = message({ line: field(1, int32), character: field(2, int32) });
/** Lines count from 1. */
export const Range = message({ start: field(1, nested(Position)), end: field(2, nested(Position)) });
export const SourceInfo = message({
  filename: field(1, text),
  data: field(2, blob),
  language: field(4, text),
});
export const ProgressGroup = message({ id: field(1, text), name: field(2, text), weak: field(3, truth) });
