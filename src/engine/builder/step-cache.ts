/** Which image a step made, by the step's key. Kept in rows; an image may be gone when it is found. */
export interface StepCache {
  find(key: string): string | undefined;
  put(key: string, imageId: string): void;
  /** Forgets all; returns how many. */
  clear(): number;
}
