import { Definition, Platform, ProgressGroup, Range, SourceInfo } from './llb.ts';
import { blob, field, int64, list, map, message, nested, text, truth, uint32 } from './message.ts';
import { Status } from './status.ts';
import { Timestamp } from './timestamp.ts';

/** `moby.buildkit.v1.Control`: what a client asks the builder as a whole. */
export const CONTROL = '/moby.buildkit.v1.Control/';

export const CacheEntry = message({ type: field(1, text), attrs: map(2, text) });
const CacheOptions = message({
  exports: list(4, nested(CacheEntry)),
  imports: list(5, nested(CacheEntry)),
});
export const Exporter = message({ type: field(1, text), attrs: map(2, text) });

export const SolveRequest = message({
  ref: field(1, text),
  definition: field(2, nested(Definition)),
  /** Of clients before the list of exporters. */
  exporter: field(3, text),
  exporterAttrs: map(4, text),
  session: field(5, text),
  frontend: field(6, text),
  frontendAttrs: map(7, text),
  cache: field(8, nested(CacheOptions)),
  entitlements: list(9, text),
  frontendInputs: map(10, nested(Definition)),
  exporters: list(13, nested(Exporter)),
});
export const SolveResponse = message({ exporterResponse: map(1, text) });

export const StatusRequest = message({ ref: field(1, text) });
export const Vertex = message({
  digest: field(1, text),
  inputs: list(2, text),
  name: field(3, text),
  cached: field(4, truth),
  started: field(5, nested(Timestamp)),
  completed: field(6, nested(Timestamp)),
  error: field(7, text),
  progressGroup: field(8, nested(ProgressGroup)),
});
export const VertexStatus = message({
  id: field(1, text),
  vertex: field(2, text),
  name: field(3, text),
  current: field(4, int64),
  total: field(5, int64),
  timestamp: field(6, nested(Timestamp)),
  started: field(7, nested(Timestamp)),
  completed: field(8, nested(Timestamp)),
});
export const VertexLog = message({
  vertex: field(1, text),
  timestamp: field(2, nested(Timestamp)),
  /** 1 or 2, as descriptors. */
  stream: field(3, int64),
  data: field(4, blob),
});
export const VertexWarning = message({
  vertex: field(1, text),
  level: field(2, int64),
  short: field(3, blob),
  detail: list(4, blob),
  url: field(5, text),
  info: field(6, nested(SourceInfo)),
  ranges: list(7, nested(Range)),
});
export const StatusResponse = message({
  vertexes: list(1, nested(Vertex)),
  statuses: list(2, nested(VertexStatus)),
  logs: list(3, nested(VertexLog)),
  warnings: list(4, nested(VertexWarning)),
});

export const UsageRecord = message({
  id: field(1, text),
  mutable: field(2, truth),
  inUse: field(3, truth),
  size: field(4, int64),
  createdAt: field(6, nested(Timestamp)),
  lastUsedAt: field(7, nested(Timestamp)),
  usageCount: field(8, int64),
  description: field(9, text),
  recordType: field(10, text),
  shared: field(11, truth),
  parents: list(12, text),
});
export const DiskUsageRequest = message({ filter: list(1, text) });
export const DiskUsageResponse = message({ record: list(1, nested(UsageRecord)) });
export const PruneRequest = message({
  filter: list(1, text),
  all: field(2, truth),
  /** Nanoseconds. */
  keepDuration: field(3, int64),
  reservedSpace: field(4, int64),
  maxUsedSpace: field(5, int64),
  minFreeSpace: field(6, int64),
});

const Version = message({ package: field(1, text), version: field(2, text), revision: field(3, text) });
export const Worker = message({
  id: field(1, text),
  labels: map(2, text),
  platforms: list(3, nested(Platform)),
  version: field(5, nested(Version)),
});
export const ListWorkersRequest = message({ filter: list(1, text) });
export const ListWorkersResponse = message({ record: list(1, nested(Worker)) });
export const InfoRequest = message({});
export const InfoResponse = message({ version: field(1, nested(Version)) });

export const HistoryRequest = message({
  activeOnly: field(1, truth),
  ref: field(2, text),
  earlyExit: field(3, truth),
});
const HistoryRecord = message({
  ref: field(1, text),
  frontend: field(2, text),
  frontendAttrs: map(3, text),
  error: field(5, nested(Status)),
  createdAt: field(6, nested(Timestamp)),
  completedAt: field(7, nested(Timestamp)),
  exporterResponse: map(9, text),
});
export const HistoryEvent = message({ type: field(1, uint32), record: field(2, nested(HistoryRecord)) });
export const UpdateHistoryRequest = message({ ref: field(1, text) });
export const UpdateHistoryResponse = message({});
