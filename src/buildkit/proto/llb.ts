import { blob, field, int32, list, message, nested, text, truth } from './message.ts';

/** The parts of `pb` (BuildKit's low-level definition) that other messages name. */

/** A graph of operations. Only whether there is one matters here: none but our own frontend's is solved. */
export const Definition = message({ def: list(1, blob) });
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
