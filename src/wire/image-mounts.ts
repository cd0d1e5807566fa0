/** One image of the answers of Tare's own `/tare/image-mounts`. */
export interface ImageMountEntry {
  Id: string;
  RepoTags: string[];
  /** Where it can be looked at, read-only. */
  Path: string;
}
