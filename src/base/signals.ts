import { constants } from 'node:os';
import { TareError } from './errors.ts';

const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** A signal's number from `SIGTERM`, `term`, `15`, `RTMIN+3`. Throws `invalid` in Docker's words. */
export function parseSignal(text: string): number {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && number <= SIGRTMAX) return number;
    throw new TareError('invalid', `invalid signal: ${text}`);
  }
  const name = text.toUpperCase().replace(/^SIG/, '');
  const known = Object.entries(constants.signals).find(([key]) => key === `SIG${name}`);
  if (known) return known[1];
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (realtime) {
    const offset = Number(`${realtime[2] ?? '+'}${realtime[3] ?? 0}`);
    const number = (realtime[1] === 'MIN' ? SIGRTMIN : SIGRTMAX) + offset;
    if (number >= SIGRTMIN && number <= SIGRTMAX) return number;
  }
  throw new TareError('invalid', `invalid signal: ${text}`);
}

/** The name of a signal (`SIGTERM`), or its number as text. */
export function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? String(number);
}
