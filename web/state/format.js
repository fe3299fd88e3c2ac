/**
 * Numbers and times in words, the same everywhere on the page.
 *
 * @module
 */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/**
 * 12,345
 * @param {number} value
 */
export const formatCount = (value) => whole.format(value);

/**
 * 0.9784 → "97.84"; rounded down, so that 100.00 means all of them.
 * @param {number} fraction  0..1
 * @param {number} digits    after the point
 */
export function formatPercent(fraction, digits = 2) {
  const unit = 10 ** digits;
  return (Math.floor(fraction * 100 * unit + 1e-6) / unit).toFixed(digits);
}

/**
 * A probability for a bar: "99.7 %", "<0.1 %".
 * @param {number} p  0..1
 */
export function formatProbability(p) {
  if (!(p >= 0)) return '–';
  if (p < 0.001) return '<0.1 %';
  return `${formatPercent(p, 1)} %`;
}

/**
 * A rate or a loss: three significant figures without needless zeros.
 * @param {number} value
 */
export function formatNumber(value) {
  if (!Number.isFinite(value)) return '–';
  if (value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e6)) {
    return value.toExponential(2);
  }
  return String(Number(value.toPrecision(3)));
}

/**
 * "4 s", "2 min 5 s", "1 h 10 min"; '' when unknown.
 * @param {number} seconds
 */
export function formatDuration(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return '';
  const s = Math.ceil(seconds);
  if (s < 60) return `${s} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return s % 60 ? `${minutes} min ${s % 60} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * "3.2 MB"
 * @param {number} bytes
 */
export function formatBytes(bytes) {
  if (bytes < 1e6) return `${whole.format(bytes / 1e3)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
