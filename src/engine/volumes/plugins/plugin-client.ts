import { TareError } from '../../../base/errors.ts';
import type { PluginAddress } from './plugin-finder.ts';

const MEDIA_TYPE = 'application/vnd.docker.plugins.v1.2+json';

/** How long a plugin may take, and whether one that does not listen is waited for (it may be starting). */
export interface Patience {
  /** Milliseconds. */
  readonly timeout: number;
  /** Milliseconds. */
  readonly connect: number;
}

/** Questions that only look. */
export const BRIEF: Patience = { timeout: 30_000, connect: 0 };
/** Work that may need a server or a disk: dockerd's two minutes. */
export const LONG: Patience = { timeout: 120_000, connect: 5000 };

/**
 * Calls a method of Docker's plugin protocol v1: a JSON object by POST, and one back. Throws `unavailable` when nobody
 * answers, `internal` with `METHOD: WORDS` for what the plugin refuses.
 */
export async function callPlugin(
  address: PluginAddress,
  method: string,
  body: unknown,
  patience: Patience,
): Promise<Record<string, unknown>> {
  const response = await connected(address, method, body, patience);
  const text = await response.text();
  let answer: Record<string, unknown> = {};
  try {
    const parsed: unknown = text.trim() === '' ? {} : JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) answer = parsed as Record<string, unknown>;
  } catch (error) {
    if (response.ok) throw new TareError('internal', `${method}: the plugin's answer is no JSON`, error);
  }
  const refusal = typeof answer.Err === 'string' ? answer.Err : '';
  if (!response.ok) {
    throw new TareError('internal', `${method}: ${refusal || text.trim() || response.statusText}`);
  }
  if (refusal !== '') throw new TareError('internal', refusal);
  return answer;
}

async function connected(
  { origin, unix, tls }: PluginAddress,
  method: string,
  body: unknown,
  { timeout, connect }: Patience,
): Promise<Response> {
  const end = Date.now() + connect;
  for (let wait = 100; ; wait = Math.min(wait * 2, 2000)) {
    try {
      return await fetch(`${origin}/${method}`, {
        method: 'POST',
        headers: { accept: MEDIA_TYPE, 'content-type': MEDIA_TYPE },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeout),
        ...(unix !== undefined && { unix }),
        ...(tls !== undefined && { tls }),
      });
    } catch (error) {
      if (error instanceof Error && error.name === 'TimeoutError') {
        throw new TareError(
          'timeout',
          `${method}: the plugin did not answer within ${timeout / 1000} s`,
          error,
        );
      }
      if (Date.now() + wait > end) {
        throw new TareError(
          'unavailable',
          `${method}: nobody answers at ${unix ?? origin}: is the plugin running?`,
          error,
        );
      }
      await Bun.sleep(wait);
    }
  }
}
