import { TareError } from '../../base/errors.ts';
import type { BuildResult } from '../../engine/builder/builder.ts';
import type { BuildKitParts } from '../buildkit.ts';
import { credentialsOf, secretOf } from '../session/attachables.ts';
import type { Session } from '../session/sessions.ts';
import { SshAgents } from '../session/ssh-agents.ts';
import { type Attributes, requestOf } from './attributes.ts';
import { importCaches } from './caches.ts';
import { ContextReader, type Inputs } from './contexts.ts';
import { withSource } from './error-source.ts';
import type { Job, Metadata } from './jobs.ts';
import { subrequest } from './subrequests.ts';

/**
 * The frontend that a client asks for, unless it is ours: the Dockerfile one, by name or as an image, which may come from
 * somebody's mirror (`registry.example/docker/dockerfile:1`).
 */
function foreignFrontend(frontend: string, attributes: Attributes): string | undefined {
  const source = frontend === 'gateway.v0' ? (attributes.source ?? '') : '';
  const image = attributes['build-arg:BUILDKIT_SYNTAX'] || source || attributes.cmdline || '';
  if (frontend !== 'dockerfile.v0' && frontend !== 'gateway.v0') return frontend;
  if (image === '' ? frontend === 'dockerfile.v0' : /(^|\/)dockerfile(-upstream)?([:@]|$)/.test(image))
    return undefined;
  return image || frontend;
}

/** What a frontend is asked for. */
export interface FrontendRequest {
  readonly frontend: string;
  readonly attributes: Attributes;
  /** Results of other builds, by the names that attributes call them. */
  readonly inputs: Inputs;
}

/** An image, or without one the answer to another question. */
export interface Solved {
  readonly built?: BuildResult;
  readonly metadata: Metadata;
}

/** Builds what a frontend's options say. Throws errors that know their lines of the Dockerfile. */
export async function solve(
  parts: BuildKitParts,
  job: Job,
  session: Session,
  { frontend, attributes, inputs }: FrontendRequest,
  caller: AbortSignal,
): Promise<Solved> {
  const foreign = foreignFrontend(frontend, attributes);
  if (foreign !== undefined) {
    throw new TareError(
      'not-implemented',
      `frontend ${foreign} is not supported: this builder has its own, for Dockerfiles`,
    );
  }
  const signal = AbortSignal.any([job.signal, session.signal, caller]);
  const agents = new SshAgents(session, parts.directory, signal);
  job.onEnd(() => agents.close());
  try {
    const reader = new ContextReader(parts, job, session, inputs, signal);
    if (attributes.requestid !== undefined) {
      return { metadata: await subrequest(parts, attributes.requestid, attributes, reader) };
    }
    const defaults = parts.defaults();
    const files = await reader.read(attributes);
    const request = requestOf(attributes, defaults.hostConfig);
    await importCaches(parts, job, session, request.cacheFrom, signal);
    const built = await parts.builder.build(
      {
        ...files,
        ...request,
        config: defaults.config,
        // Names are given at the end, by the exporters.
        tags: [],
        secrets: (id) => secretOf(session, id, signal),
        ssh: (id) => agents.path(id),
        auth: (host) => credentialsOf(session, host, signal),
        signal,
      },
      (event) => job.progress.take(event),
    );
    return { built, metadata: { 'containerimage.config': Buffer.from(JSON.stringify(built.config)) } };
  } catch (error) {
    if (signal.aborted) throw new TareError('cancelled', 'context canceled', error);
    throw withSource(error, parts.sourceOf(error));
  }
}
