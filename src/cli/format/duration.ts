const MINUTE = 60;
const HOUR = 3600;
const DAY = 24;

/** `About an hour`, `3 weeks`: a span of `seconds` in words, as in docker's columns. */
export function humanDuration(seconds: number): string {
  const whole = Math.trunc(seconds);
  if (whole < 1) return 'Less than a second';
  if (whole === 1) return '1 second';
  if (whole < 60) return `${whole} seconds`;
  const minutes = Math.trunc(seconds / MINUTE);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  // Rounded half up on purpose: go-units adds half an hour before it truncates.
  const hours = Math.trunc(seconds / HOUR + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < DAY * 7 * 2) return `${Math.trunc(hours / DAY)} days`;
  if (hours < DAY * 30 * 2) return `${Math.trunc(hours / DAY / 7)} weeks`;
  if (hours < DAY * 365 * 2) return `${Math.trunc(hours / DAY / 30)} months`;
  return `${Math.trunc(seconds / HOUR / DAY / 365)} years`;
}
