/**
 * Checking the store: what is on the disk against what the rows say, while the daemon works.
 *
 * A *fault* is one thing that is not as it must be. It says what it affects in names a person knows, and what to do.
 * Some can be *repaired*: what nobody needs is removed, what can be had from elsewhere is written again, and an image
 * that cannot be made whole is removed so that it can be pulled again. A repair never touches what a container or a
 * volume holds.
 *
 * Example: `for await (const fault of check.faults(progress)) { print(fault); await fault.repair?.(); }`
 */
export interface Fault {
  readonly kind: FaultKind;
  /** Digest, diff id, container id, volume name, … */
  readonly id: string;
  /** What is wrong, as a sentence without a full stop. */
  readonly problem: string;
  /** `image busybox:latest`, `container web`, … */
  readonly affects: readonly string[];
  /** What a person can do. */
  readonly advice: string;
  /** Returns what was done; undefined when a container stands in the way, so that nothing was. */
  readonly repair?: () => Promise<string | undefined>;
}

export type FaultKind =
  | 'image'
  | 'blob'
  | 'layer'
  | 'container'
  | 'snapshot'
  | 'volume'
  | 'network'
  /** Whole, but nobody needs it. */
  | 'unused';

/** How far a check is. */
export interface CheckProgress {
  /** `rows`, `blobs`, `layers`, … */
  readonly phase: string;
  /** Bytes in the phases that read content, else things. */
  readonly done: number;
  readonly total: number;
}

/** Hears of progress; called often. */
export type OnProgress = (progress: CheckProgress) => void;
