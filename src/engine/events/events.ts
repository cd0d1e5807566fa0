/** What happened, as `docker events` shows it. */
export interface EngineEvent {
  readonly type: 'container' | 'image' | 'volume' | 'network' | 'daemon' | 'builder';
  /** `create`, `start`, `die`, `exec_create: sh`, … */
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Nanoseconds since the epoch. */
  readonly timeNano: bigint;
}

/** The engine's event log: the last ones in memory, and a live stream. */
export interface EventBus {
  emit(event: Omit<EngineEvent, 'timeNano'>): void;
  /**
   * Keeps back what is told of networks and volumes of a container (their attribute `container`), until the returned
   * function is called: so that they come after the event that they follow from.
   */
  hold(container: string): () => void;
  /** Events since `since` (nanoseconds) that are still remembered, then live ones to the listener; returns how to stop. */
  subscribe(since: bigint | undefined, listener: (event: EngineEvent) => void): () => void;
}
