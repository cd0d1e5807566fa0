/** One line of `GET /events`. */
export interface EventMessage {
  /** The next three are for old clients, for containers and images only. */
  status?: string;
  id?: string;
  from?: string;
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  scope: string;
  /** Seconds since the epoch. */
  time: number;
  /** Nanoseconds since the epoch; larger than a JavaScript number holds exactly. */
  timeNano: number;
}
