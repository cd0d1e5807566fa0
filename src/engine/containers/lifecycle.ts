import { TareError } from '../../base/errors.ts';
import type { Death } from './death.ts';
import { healthUnchecked } from './health.ts';
import type { ContainerState, ContainerStatus, Health } from './model.ts';

/** What can happen to a container. */
export type LifecycleEvent =
  | {
      readonly type: 'started';
      readonly pid: number;
      readonly monitorPid: number;
      readonly at: number;
      readonly health?: Health | undefined;
      readonly boot?: string;
    }
  | { readonly type: 'start-failed'; readonly exitCode: number; readonly error: string; readonly at: number }
  | {
      readonly type: 'exited';
      readonly exitCode: number;
      readonly exitCodeKnown: boolean;
      readonly oomKilled: boolean;
      readonly at: number;
      /** The restart policy will start it again. */
      readonly restarts: boolean;
      readonly death?: Death;
    }
  | { readonly type: 'paused' }
  | { readonly type: 'unpaused' }
  | { readonly type: 'restart-cancelled' }
  | { readonly type: 'removing' };

/** From which states each event may come. */
const ALLOWED: Record<LifecycleEvent['type'], readonly ContainerStatus[]> = {
  started: ['created', 'exited', 'restarting', 'dead'],
  'start-failed': ['created', 'exited', 'restarting', 'dead'],
  exited: ['running', 'paused'],
  paused: ['running'],
  unpaused: ['paused'],
  'restart-cancelled': ['restarting'],
  removing: ['created', 'exited', 'dead', 'restarting'],
};

/** The state of a container that was never started. */
export const INITIAL_STATE: ContainerState = {
  status: 'created',
  pid: 0,
  monitorPid: 0,
  exitCode: 0,
  exitCodeKnown: true,
  error: '',
  oomKilled: false,
  startedAt: 0,
  finishedAt: 0,
  restartCount: 0,
  manuallyStopped: false,
};

/** The state after `event`; pure. Throws `conflict` when the event cannot come in this state. */
export function transition(state: ContainerState, event: LifecycleEvent): ContainerState {
  if (!ALLOWED[event.type].includes(state.status)) {
    throw new TareError('conflict', `a container that is ${state.status} cannot become ${event.type}`);
  }
  switch (event.type) {
    case 'started':
      return {
        ...state,
        status: 'running',
        pid: event.pid,
        monitorPid: event.monitorPid,
        startedAt: event.at,
        health: event.health,
        ...(event.boot !== undefined && { boot: event.boot }),
        ending: undefined,
        exitCode: 0,
        exitCodeKnown: true,
        error: '',
        oomKilled: false,
        manuallyStopped: false,
        restartCount: state.status === 'restarting' ? state.restartCount + 1 : 0,
      };
    case 'start-failed':
      return {
        ...state,
        // A container that never ran stays "created", as dockerd has it.
        status: state.startedAt === 0 ? 'created' : 'exited',
        pid: 0,
        monitorPid: 0,
        exitCode: event.exitCode,
        error: event.error,
        finishedAt: event.at,
      };
    case 'exited':
      return {
        ...state,
        status: event.restarts ? 'restarting' : 'exited',
        pid: 0,
        monitorPid: 0,
        exitCode: event.exitCode,
        exitCodeKnown: event.exitCodeKnown,
        oomKilled: event.oomKilled,
        finishedAt: event.at,
        health: healthUnchecked(state.health),
        ...(event.death && { death: event.death }),
      };
    case 'paused':
      return { ...state, status: 'paused', health: healthUnchecked(state.health) };
    case 'unpaused':
      return { ...state, status: 'running' };
    case 'restart-cancelled':
      return { ...state, status: 'exited', manuallyStopped: true };
    case 'removing':
      return { ...state, status: 'removing' };
  }
}

/** How a container ended, as far as somebody saw it. */
export type KnownEnd = Pick<ContainerState, 'exitCode' | 'exitCodeKnown' | 'oomKilled' | 'finishedAt'>;

/**
 * The end that counts. An end that nobody saw is looked up in the state: a daemon that is killed while it clears up
 * after a container has noted the true code there first, and the next one finds the runtime's own record half gone.
 */
export function trueEnd<End extends KnownEnd>(state: ContainerState, reported: End): End {
  const { exitCode, exitCodeKnown, oomKilled, finishedAt, startedAt } = state;
  if (!reported.exitCodeKnown && finishedAt >= startedAt && startedAt > 0) {
    return { ...reported, exitCode, exitCodeKnown, oomKilled, finishedAt };
  }
  // A file's time is some milliseconds behind the clock's.
  return { ...reported, finishedAt: Math.max(reported.finishedAt, startedAt) };
}

/** True while a process exists. */
export function isAlive(state: ContainerState): boolean {
  return state.status === 'running' || state.status === 'paused';
}
