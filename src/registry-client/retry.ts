import { setTimeout as sleep } from 'node:timers/promises';
import { throwIfCancelled } from '../base/cancellation.ts';
import { RetryableError } from './failures.ts';

/** A server that asks for a longer pause than this gets an error instead of a silent hour. */
const LONGEST_RETRY_AFTER_MS = 60_000;
const LONGEST_DELAY_MS = 30_000;

export interface RetryPolicy {
  readonly maxAttempts: number;
  readonly retryDelayMs: number;
  readonly signal: AbortSignal;
  /** Hears of each repetition: the error and the wait in milliseconds. */
  readonly onRetry?: (error: RetryableError, delayMs: number) => void;
}

/**
 * Counts the tries of one thing. `next(error)` waits for the time of the next try, or throws the error when it
 * is not to be repeated; `progressed()` starts the count again, for downloads that get on between cuts.
 */
export class Retries {
  readonly #policy: RetryPolicy;
  #failures = 0;

  constructor(policy: RetryPolicy) {
    this.#policy = policy;
  }

  progressed(): void {
    this.#failures = 0;
  }

  async next(error: unknown): Promise<void> {
    const { maxAttempts, retryDelayMs, signal, onRetry } = this.#policy;
    throwIfCancelled(signal);
    if (!(error instanceof RetryableError)) throw error;
    this.#failures++;
    const asked = error.retryAfterMs ?? 0;
    if (this.#failures >= maxAttempts || asked > LONGEST_RETRY_AFTER_MS) throw error;
    const backOff = Math.min(LONGEST_DELAY_MS, retryDelayMs * 2 ** (this.#failures - 1));
    // Up to a quarter more, so that many clients cut at once do not come back at once.
    const delay = Math.max(asked, backOff * (1 + Math.random() / 4));
    onRetry?.(error, delay);
    await pause(delay, signal);
  }
}

/** Runs `attempt` until it succeeds or the policy gives up. */
export async function withRetries<T>(policy: RetryPolicy, attempt: () => Promise<T>): Promise<T> {
  const retries = new Retries(policy);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      await retries.next(error);
    }
  }
}

async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal });
  } catch {
    throwIfCancelled(signal);
  }
}
