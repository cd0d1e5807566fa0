import { TareError } from '../../base/errors.ts';
import type { BuildResult } from '../../engine/builder/builder.ts';
import type { BuildKitParts } from '../buildkit.ts';
import { credentialsOf, secretOf } from '../session/attachables.ts';
import type { Session } from '../session/sessions.ts';
import { SshAgents } from '../session/ssh-agents.ts';
import { type Attributes, requestOf } from './attributes.ts';
import { ContextReader } from './contexts.ts';
import { withSource } from './error-source.ts';
import type { Job } from './jobs.ts';

/** Frontends that are ours: the Dockerfile one, by name or as the image that `# syntax=` names. */
function isOurs(frontend: string, attributes: Attributes): boolean {
  if (frontend === 'dockerfile.v0') return true;
  const source = attributes.source ?? attributes.cmdline ?? '';
  return frontend === 'gateway.v0' && /^(docker\.io\/)?docker\/dockerfile(-upstream)?(:|@|$)/.test(source);
}

/** Builds what a frontend's options say. Throws errors that know their lines of the Dockerfile. */
export async function solve(
  parts: BuildKitParts,
  job: Job,
  session: Session,
  frontend: string,
  attributes: Attributes,
  caller: AbortSignal,
): Promise<BuildResult> {
  if (!isOurs(frontend, attributes)) {
    const name = frontend === 'gateway.v0' ? (attributes.source ?? frontend) : frontend;
    throw new TareError(
      'not-implemented',
      `frontend ${name} is not supported: this builder has its own, for Dockerfiles`,
    );
  }
  if (attributes.requestid !== undefined) {
    throw new TareError('not-implemented', `unsupported request ${attributes.requestid}`);
  }
  const signal = AbortSignal.any([job.signal, session.signal, caller]);
  const agents = new SshAgents(session, parts.directory, signal);
  job.onEnd(() => agents.close());
  try {
    const defaults = parts.defaults();
    const files = await new ContextReader(parts, job, session, signal).read(attributes);
    return await parts.builder.build(
      {
        ...files,
        ...requestOf(attributes, defaults.hostConfig),
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
  } catch (error) {
    if (signal.aborted) throw new TareError('cancelled', 'context canceled', error);
    throw withSource(error, parts.sourceOf(error));
  }
}
