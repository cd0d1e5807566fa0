import { TareError } from '../base/errors.ts';
import type { BuildResult } from '../engine/builder/builder.ts';
import { hostPlatform } from '../oci/platform.ts';
import { type CacheExport, checkCacheExports, exportCaches } from './build/caches.ts';
import type { Exporters, ExportRequest } from './build/exporters.ts';
import type { Job, Jobs, Metadata } from './build/jobs.ts';
import { solve } from './build/solve.ts';
import type { BuildKitParts, SessionBuild } from './buildkit.ts';
import { cacheRecords, pruneOptions, recordToWire } from './cache-records.ts';
import { type Methods, type ServerCall, streaming, unary } from './grpc/server.ts';
import {
  CONTROL,
  DiskUsageRequest,
  DiskUsageResponse,
  HistoryEvent,
  HistoryRequest,
  InfoRequest,
  InfoResponse,
  ListWorkersRequest,
  ListWorkersResponse,
  PruneRequest,
  SolveRequest,
  SolveResponse,
  StatusRequest,
  StatusResponse,
  UpdateHistoryRequest,
  UpdateHistoryResponse,
  UsageRecord,
  type Worker,
} from './proto/control.ts';
import type { ValueOf } from './proto/message.ts';
import type { Session, Sessions } from './session/sessions.ts';

type Solve = ValueOf<typeof SolveRequest>;

export interface ControlParts {
  readonly parts: BuildKitParts;
  readonly jobs: Jobs;
  readonly sessions: Sessions;
  readonly exporters: Exporters;
}

/** The builder as a whole: builds, their status, the cache, what it is. */
export function controlMethods(control: ControlParts): Methods {
  const { parts, jobs } = control;
  const version = { package: 'tare', version: parts.version, revision: '' };
  return {
    [`${CONTROL}Solve`]: unary(SolveRequest, SolveResponse, (request, call) => build(control, request, call)),
    [`${CONTROL}Status`]: streaming(StatusRequest, StatusResponse, async ({ ref }, send, call) => {
      const job = await jobs.get(ref, call.signal);
      for await (const update of job.progress.follow(call.signal)) await send(update);
    }),
    [`${CONTROL}Info`]: unary(InfoRequest, InfoResponse, () => ({ version })),
    [`${CONTROL}ListWorkers`]: unary(ListWorkersRequest, ListWorkersResponse, () => ({
      record: [worker(parts)],
    })),
    [`${CONTROL}DiskUsage`]: unary(DiskUsageRequest, DiskUsageResponse, async ({ filter }) => ({
      record: (await cacheRecords(parts.cache, filter)).map(recordToWire),
    })),
    [`${CONTROL}Prune`]: streaming(PruneRequest, UsageRecord, async (request, send) => {
      const before = await parts.cache.list();
      const { deleted } = await parts.cache.prune(pruneOptions(request));
      const gone = new Set(deleted);
      for (const record of before) if (gone.has(record.id)) await send(recordToWire(record));
    }),
    // Nothing is remembered of builds that are over; what runs is told by Status.
    [`${CONTROL}ListenBuildHistory`]: streaming(
      HistoryRequest,
      HistoryEvent,
      async ({ earlyExit }, _, call) => {
        if (earlyExit || call.signal.aborted) return;
        await new Promise<void>((resolve) => call.signal.addEventListener('abort', () => resolve()));
      },
    ),
    [`${CONTROL}UpdateBuildHistory`]: unary(UpdateHistoryRequest, UpdateHistoryResponse, ({ ref }) => {
      throw new TareError('not-found', `no build ${ref}: builds are not remembered`);
    }),
  };
}

/** How this builder presents itself. */
export function worker({ storageDriver, version }: BuildKitParts): Partial<ValueOf<typeof Worker>> {
  const { os, architecture, variant = '' } = hostPlatform();
  return {
    id: 'tare',
    labels: {
      'org.mobyproject.buildkit.worker.executor': 'crun',
      // Clients take this for the sign that archives can be exported and images pushed by the builder.
      'org.mobyproject.buildkit.worker.snapshotter': storageDriver,
    },
    platforms: [{ os, architecture, variant }],
    version: { package: 'tare', version, revision: '' },
  };
}

async function build({ parts, jobs, sessions, exporters }: ControlParts, request: Solve, call: ServerCall) {
  const { ref, frontend, frontendAttrs: attributes, frontendInputs: inputs } = request;
  if ((request.definition?.def?.length ?? 0) > 0) {
    throw new TareError(
      'not-implemented',
      "low-level build definitions are not supported: this builder solves its own frontend's, of Dockerfiles",
    );
  }
  const caches = cachesOf(request);
  checkCacheExports(caches);
  const before = new Set(parts.images.list().map(({ id }) => id));
  const job = jobs.begin(ref, request.session, call.signal, before);
  const finish = async (built: BuildResult | undefined, metadata: Metadata, session: Session) => {
    if (built === undefined) return { exporterResponse: textsOf(metadata) };
    const result = await exportCaches(parts, job, session, built, caches, call.signal);
    return { exporterResponse: await exporters.export(job, session, result, exportsOf(request)) };
  };
  try {
    const session = await sessions.get(request.session, call.signal);
    if (frontend !== '') {
      const { built, metadata } = await solve(
        parts,
        job,
        session,
        { frontend, attributes, inputs },
        call.signal,
      );
      return await finish(built, metadata, session);
    }
    const { result, metadata } = await driven(job, session.signal);
    return await finish(result, metadata, session);
  } finally {
    await jobs.end(job);
  }
}

/** A build that the classic API asks for. */
export async function sessionBuild(
  { parts, jobs, sessions, exporters }: ControlParts,
  { ref, session: id, attributes, exporters: outputs }: SessionBuild,
  trace: (status: Uint8Array) => void,
  signal: AbortSignal,
): Promise<string> {
  const before = new Set(parts.images.list().map((image) => image.id));
  const job = jobs.begin(ref, id, signal, before);
  const told = (async () => {
    for await (const update of job.progress.follow(signal)) trace(StatusResponse.encode(update));
  })();
  try {
    const session = await sessions.get(id, signal);
    const request = { frontend: 'dockerfile.v0', attributes, inputs: {} };
    const { built } = await solve(parts, job, session, request, signal);
    if (built === undefined) throw new TareError('invalid', 'a build without an image');
    await exporters.export(job, session, built, outputs);
    return built.id;
  } finally {
    await jobs.end(job);
    await told;
  }
}

/** What a client that drives the build itself has chosen of its results. */
async function driven(job: Job, gone: AbortSignal) {
  const left = new Promise<never>((_, reject) => {
    gone.addEventListener('abort', () => reject(gone.reason));
  });
  const returned = await Promise.race([job.returned, left]);
  if ('error' in returned) throw returned.error;
  return { result: job.results.get(returned.ref), metadata: returned.metadata };
}

function cachesOf({ cache }: Solve): CacheExport[] {
  return (cache?.exports ?? []).map(({ type = '', attrs = {} }) => ({ type, attrs }));
}

function textsOf(metadata: Metadata): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value).toString('utf8')]),
  );
}

function exportsOf({ exporters, exporter, exporterAttrs }: Solve): ExportRequest[] {
  const list = exporters.map(({ type = '', attrs = {} }) => ({ type, attrs }));
  return list.length === 0 && exporter !== '' ? [{ type: exporter, attrs: exporterAttrs }] : list;
}
