import type { BuildEventMessage } from './build.ts';

/** One line of a progress stream (pull, push, load, import, build). */
export interface ProgressMessage {
  id?: string;
  status?: string;
  /** Text as it is, without a line break added. */
  stream?: string;
  /** The bar as drawn by the daemon, for clients that do not draw their own. */
  progress?: string;
  progressDetail?: ProgressDetail;
  /** Set when the operation failed after the answer had begun; the stream ends here. */
  error?: string;
  errorDetail?: { code?: number; message: string };
  /** Machine-readable extras: digest of a push, id of a build. */
  aux?: unknown;
  /** What happens in a build, for a client that asked for it. */
  tare?: BuildEventMessage;
}

export interface ProgressDetail {
  current?: number;
  total?: number;
}
