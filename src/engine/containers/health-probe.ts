import { messageOf } from '../../base/errors.ts';
import { settlesWithin } from '../../base/settles-within.ts';
import type { IoSession } from './containers.ts';
import type { ExecSet } from './exec-set.ts';
import type { HealthRules } from './health.ts';
import type { ProbeResult } from './model.ts';

/** The execs that probes need. */
export type ProbeExecs = Pick<ExecSet, 'create' | 'start' | 'exited' | 'kill' | 'drop'>;

/** Bytes of output that a result keeps, as in dockerd. */
const OUTPUT_LIMIT = 4096;
/** How long output may come after the process has ended; a child of its own may hold the pipe. Milliseconds. */
const DRAIN = 500;
/** How long a killed probe is waited for. Milliseconds. */
const KILL_PATIENCE = 5_000;

/**
 * Runs a health check once, as an exec of the container. Never rejects: what kept it from running is its result,
 * with exit code -1 as in dockerd.
 */
export async function runProbe(
  execs: ProbeExecs,
  containerId: string,
  rules: HealthRules,
  now: () => number = Date.now,
): Promise<ProbeResult> {
  const start = now();
  let execId: string | undefined;
  try {
    execId = execs.create(containerId, {
      attachStdin: false,
      attachStdout: true,
      attachStderr: true,
      detachKeys: '',
      tty: false,
      cmd: rules.command,
      env: [],
      workingDir: '',
      user: '',
      privileged: false,
    });
    const session = await execs.start(execId, { detach: false, tty: false, transient: true });
    const output = collect(session);
    const exited = execs.exited(execId);
    if (await settlesWithin(exited, rules.timeout)) {
      await settlesWithin(session.ended, DRAIN);
      return { start, end: now(), exitCode: (await exited) ?? -1, output: output() };
    }
    execs.kill(execId);
    await settlesWithin(exited, KILL_PATIENCE);
    session.close();
    const words = `Health check exceeded timeout (${goDuration(rules.timeout)})`;
    const said = output();
    return { start, end: now(), exitCode: -1, output: said === '' ? words : `${words}: ${said}` };
  } catch (error) {
    return { start, end: now(), exitCode: -1, output: messageOf(error) };
  } finally {
    if (execId !== undefined) execs.drop(execId);
  }
}

/** Gathers the first bytes of both streams; the returned function gives them as text. */
function collect(session: IoSession): () => string {
  const chunks: Uint8Array[] = [];
  let kept = 0;
  let cut = false;
  session.onOutput((_stream, chunk) => {
    const part = chunk.subarray(0, OUTPUT_LIMIT - kept);
    // A copy: the chunk may be a view of a buffer that is used again.
    if (part.length > 0) chunks.push(Uint8Array.from(part));
    kept += part.length;
    cut ||= part.length < chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8') + (cut ? '...' : '');
}

/** Milliseconds as Go prints a duration: `1m30s`, `500ms`, `1.5s`. */
export function goDuration(millis: number): string {
  if (millis < 1) return `${millis * 1000}µs`;
  if (millis < 1000) return `${millis}ms`;
  const hours = Math.floor(millis / 3_600_000);
  const minutes = Math.floor((millis % 3_600_000) / 60_000);
  const seconds = `${Number(((millis % 60_000) / 1000).toFixed(6))}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
