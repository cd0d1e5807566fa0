import { CacheEntry, Worker } from './control.ts';
import { Stat } from './files.ts';
import { Definition, Platform } from './llb.ts';
import { blob, field, int64, list, map, message, nested, text, truth } from './message.ts';
import { Status } from './status.ts';

/** `moby.buildkit.v1.frontend.LLBBridge`: what a client that drives a build from outside asks of it. */
export const BRIDGE = '/moby.buildkit.v1.frontend.LLBBridge/';

export const Ref = message({ id: field(1, text), def: field(2, nested(Definition)) });
const RefMap = message({ refs: field(1, nested(message({}))) });
export const Result = message({
  ref: field(3, nested(Ref)),
  refs: field(4, nested(RefMap)),
  metadata: map(10, blob),
});
export const BridgeSolveRequest = message({
  definition: field(1, nested(Definition)),
  frontend: field(2, text),
  frontendOpt: map(3, text),
  cacheImports: list(12, nested(CacheEntry)),
  frontendInputs: map(13, nested(Definition)),
  evaluate: field(14, truth),
});
export const BridgeSolveResponse = message({ ref: field(1, text), result: field(3, nested(Result)) });
export const ReturnRequest = message({ result: field(1, nested(Result)), error: field(2, nested(Status)) });
export const Empty = message({});

const Capability = message({ id: field(1, text), enabled: field(2, truth) });
export const Pong = message({
  frontendCaps: list(1, nested(Capability)),
  llbCaps: list(2, nested(Capability)),
  workers: list(3, nested(Worker)),
});
export const ResolveRequest = message({ ref: field(1, text), platform: field(2, nested(Platform)) });
export const ResolveResponse = message({
  digest: field(1, text),
  config: field(2, blob),
  ref: field(3, text),
});

const FileRange = message({ offset: field(1, int64), length: field(2, int64) });
export const ReadFileRequest = message({
  ref: field(1, text),
  path: field(2, text),
  range: field(3, nested(FileRange)),
});
export const ReadFileResponse = message({ data: field(1, blob) });
export const ReadDirRequest = message({ ref: field(1, text), path: field(2, text), include: field(3, text) });
export const ReadDirResponse = message({ entries: list(1, nested(Stat)) });
export const StatFileRequest = message({ ref: field(1, text), path: field(2, text) });
export const StatFileResponse = message({ stat: field(1, nested(Stat)) });
