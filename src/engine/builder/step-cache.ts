/** Which layer a step of a build made, by the step's key. Kept in rows; a layer may be gone when it is found. */
export interface StepCache {
  /** Notes that it was used again. */
  find(key: string): StepRecord | undefined;
  put(record: NewStep): void;
  all(): StepRecord[];
  remove(keys: readonly string[]): void;
  /** Diff ids of all layers. */
  layers(): Iterable<string>;
  /** A build under way uses it, until the function that is returned has been called. */
  use(key: string): () => void;
  inUse(key: string): boolean;
}

export interface NewStep {
  /** Hex. */
  readonly key: string;
  /** Diff id; undefined: the step changed nothing. */
  readonly layer: string | undefined;
  readonly description: string;
  /** Keys of the steps that it stood on. */
  readonly parents: readonly string[];
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

export interface StepRecord extends NewStep {
  /** Milliseconds since the epoch; 0: never. */
  readonly usedAt: number;
  readonly uses: number;
}
