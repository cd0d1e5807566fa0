import { TareError } from './errors.ts';

/** Throws the signal's reason if that is an error of ours, else `cancelled`. */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw cancellation(signal);
}

/** What an aborted signal means as an error. */
export function cancellation(signal: AbortSignal): TareError {
  const reason: unknown = signal.reason;
  return reason instanceof TareError ? reason : new TareError('cancelled', 'context canceled', reason);
}
