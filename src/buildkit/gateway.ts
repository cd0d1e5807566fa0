import { randomUUID } from 'node:crypto';
import { TareError } from '../base/errors.ts';
import type { Job } from './build/jobs.ts';
import { definitionOf } from './build/results.ts';
import { solve } from './build/solve.ts';
import type { ControlParts } from './control.ts';
import { worker } from './control.ts';
import { CODES, GrpcError, toGrpc } from './grpc/grpc-error.ts';
import { type Methods, type ServerCall, unary } from './grpc/server.ts';
import {
  BRIDGE,
  BridgeSolveRequest,
  BridgeSolveResponse,
  Empty,
  Pong,
  ReturnRequest,
} from './proto/gateway.ts';
import type { ValueOf } from './proto/message.ts';
import type { Status } from './proto/status.ts';

/** What a driving client may use of us. */
const CAPABILITIES = [
  'solve.base',
  'return',
  'returnmap',
  'importcaches',
  'proto.refarray',
  'reference.output',
  'frontend.inputs',
  'frontend.caps',
  'gateway.solve.metadata',
  'gateway.evaluate.solve',
  'gateway.evaluate',
];

/** What of a build's low-level definition clients look for before they ask for it in a Dockerfile's build. */
const LLB_CAPABILITIES = [
  'source.image',
  'source.local',
  'source.local.includepatterns',
  'source.local.followpaths',
  'source.local.excludepatterns',
  'source.local.sharedkeyhint',
  'source.git',
  'source.http',
  'exec.meta.base',
  'exec.meta.network',
  'exec.meta.extrahosts',
  'exec.meta.ulimit',
  'exec.mount.bind',
  'exec.mount.cache',
  'exec.mount.tmpfs',
  'exec.mount.secret',
  'exec.mount.ssh',
  'file.base',
  'platform',
];

/** The gateway: calls of a client that drives a build from outside, between its Solve and that one's answer. */
export function gatewayMethods(control: ControlParts): Methods {
  const { jobs, parts } = control;
  const jobOf = (call: ServerCall): Promise<Job> =>
    jobs.get(String(call.metadata['buildkit-controlapi-buildid'] ?? ''), call.signal);
  const enabled = (ids: readonly string[]) => ids.map((id) => ({ id, enabled: true }));
  return {
    [`${BRIDGE}Ping`]: unary(Empty, Pong, async (_, call) => {
      await jobOf(call);
      return {
        frontendCaps: enabled(CAPABILITIES),
        llbCaps: enabled(LLB_CAPABILITIES),
        workers: [worker(parts)],
      };
    }),
    [`${BRIDGE}Solve`]: unary(BridgeSolveRequest, BridgeSolveResponse, async (request, call) =>
      drive(control, await jobOf(call), request, call),
    ),
    [`${BRIDGE}Evaluate`]: unary(Empty, Empty, () => ({})),
    [`${BRIDGE}Return`]: unary(ReturnRequest, Empty, async ({ result, error }, call) => {
      const job = await jobOf(call);
      if (error !== undefined) {
        const { failure } = job;
        const isOurs = failure !== undefined && (error.message ?? '').includes(failure.message);
        job.return({ error: isOurs ? failure : errorOf(error) });
      } else job.return({ ref: result?.ref?.id ?? '', metadata: result?.metadata ?? {} });
      return {};
    }),
  };
}

function errorOf({
  code = CODES.unknown,
  message = '',
  details = [],
}: Partial<ValueOf<typeof Status>>): GrpcError {
  const known = details.map(({ typeUrl = '', value = new Uint8Array() }) => ({ typeUrl, value }));
  return new GrpcError(code, message, known);
}

async function drive(
  { parts, sessions }: ControlParts,
  job: Job,
  { definition, frontend, frontendOpt, frontendInputs }: ValueOf<typeof BridgeSolveRequest>,
  call: ServerCall,
): Promise<Partial<ValueOf<typeof BridgeSolveResponse>>> {
  if (frontend === '') {
    if ((definition?.def?.length ?? 0) === 0) return { result: {} };
    throw new TareError(
      'not-implemented',
      "low-level build definitions are not supported: this builder solves its own frontend's, of Dockerfiles",
    );
  }
  const session = await sessions.get(job.sessionId, call.signal);
  const { built, metadata } = await solve(
    parts,
    job,
    session,
    { frontend, attributes: frontendOpt, inputs: frontendInputs },
    call.signal,
  ).catch((error) => {
    job.failure = toGrpc(error);
    throw job.failure;
  });
  if (built === undefined) return { result: { metadata: { ...metadata } } };
  const id = randomUUID();
  job.results.set(id, built);
  return { result: { ref: { id, def: definitionOf(built.id) }, metadata: { ...metadata } } };
}
