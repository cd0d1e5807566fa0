import { availableParallelism } from 'node:os';
import { Semaphore } from '../../../base/semaphore.ts';

/** How much of what steps do goes on at once, of all builds together. */
export class Limits {
  /** Commands mostly wait for something. */
  readonly commands = new Semaphore(Math.max(4, 2 * availableParallelism()));
  readonly copies = new Semaphore(Math.max(2, availableParallelism()));
}
