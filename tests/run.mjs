/**
 * Runs every suite, adds up their counts, and closes with one line
 * `N passed, N failed`. Called by tests/run.sh, which has installed what is needed.
 *
 *     node tests/run.mjs [static] [native] [wasm] [browser]
 *
 * What a suite prints is shown only when something failed. A suite whose files
 * exist but which reports no test has failed.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runStatic } from './static/check.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const REPORTS = path.join(ROOT, 'build', 'reports');
const FUZZ_SECONDS = 10;

/**
 * @typedef {object} Count
 * @property {number} passed
 * @property {number} failed
 * @property {string} output   shown when something failed
 */

/** @param {string} text */
const print = (text) => process.stdout.write(`${text}\n`);

/**
 * @param {string} command
 * @param {string[]} values
 * @param {Record<string, string>} [environment]
 */
function run(command, values, environment = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, values, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, ...environment },
    maxBuffer: 1 << 28,
  });
  return { ok: status === 0, output: `${error?.message ?? ''}${stdout}${stderr}` };
}

/**
 * Names of the files of a folder of tests/ that match.
 * @param {string} folder
 * @param {RegExp} wanted
 */
function files(folder, wanted) {
  const at = path.join(ROOT, 'tests', folder);
  return existsSync(at) ? readdirSync(at).filter((name) => wanted.test(name)) : [];
}

/** @param {string} output @returns {Count} */
const broken = (output) => ({ passed: 0, failed: 1, output });

/** @param {Count[]} counts @returns {Count} */
function add(counts) {
  return counts.reduce((sum, count) => ({
    passed: sum.passed + count.passed,
    failed: sum.failed + count.failed,
    output: count.failed ? `${sum.output}${count.output}\n` : sum.output,
  }), { passed: 0, failed: 0, output: '' });
}

/**
 * Configure and build a preset.
 * @param {string} preset
 * @returns {string} what went wrong; '' when nothing did
 */
function build(preset) {
  for (const values of [['--preset', preset], ['--build', '--preset', preset]]) {
    const { ok, output } = run('cmake', values);
    if (!ok) return output.replace(/^\[\d+\/\d+\] .*\n/gm, '');
  }
  return '';
}

/**
 * Counts of CTest's report: cmocka closes each program with the tests that passed
 * and those that failed; a program that did not get there counts as one failure.
 * @param {string} report
 * @returns {Count[]}
 */
function readReport(report) {
  const cases = report.match(/<testcase [^]*?<\/testcase>/g) ?? [];
  return cases.map((text) => {
    const number = (/** @type {RegExp} */ pattern) => Number(text.match(pattern)?.[1] ?? 0);
    const passed = number(/\[ {2}PASSED {2}\] (\d+) test/);
    const failed = number(/\[ {2}FAILED {2}\] (\d+) test/);
    const ended = /status="run"/.test(text) && passed + failed > 0;
    return { passed, failed: failed || (ended ? 0 : 1), output: text };
  });
}

/**
 * Build a preset and run its tests.
 * @param {string} preset
 * @returns {Count}
 */
function runCtest(preset) {
  const problem = build(preset);
  if (problem) return broken(problem);
  const report = path.join(REPORTS, `${preset}.xml`);
  const { output } = run('ctest', ['--preset', preset, '--output-junit', report,
    '--test-output-size-passed', '100000', '--test-output-size-failed', '100000']);
  if (!existsSync(report)) return broken(output);
  const counts = readReport(readFileSync(report, 'utf8'));
  return counts.length ? add(counts) : broken(output);
}

/** Each target runs over its seeds and then on its own for a while. */
function runFuzz() {
  const targets = files('fuzz', /^fuzz_\w+\.c$/).map((name) => name.slice(0, -2));
  if (targets.length === 0) return { passed: 0, failed: 0, output: '' };
  const problem = build('native-fuzz');
  if (problem) return broken(problem);
  return add(targets.map((target) => {
    const corpus = path.join(ROOT, 'build', 'fuzz-corpus', target);
    mkdirSync(corpus, { recursive: true });
    const seeds = path.join(ROOT, 'tests', 'fuzz', 'seeds', target.slice(5));
    const { ok, output } = run(path.join(ROOT, 'build', 'native-fuzz', target), [
      `-max_total_time=${FUZZ_SECONDS}`, '-timeout=10', '-rss_limit_mb=2000',
      `-artifact_prefix=${REPORTS}/`, corpus, ...(existsSync(seeds) ? [seeds] : [])]);
    return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, output: output.slice(-8000) };
  }));
}

/**
 * The test files of one folder, by Vitest.
 * @param {string} folder
 * @returns {Count}
 */
function runVitest(folder) {
  const expected = files(folder, /\.test\.js$/).length;
  if (expected === 0) return { passed: 0, failed: 0, output: '' };
  const report = path.join(REPORTS, `${folder}.json`);
  const { output } = run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run',
    '--config', 'tests/vitest.config.js', '--reporter=default', '--reporter=json',
    `--outputFile.json=${report}`, `tests/${folder}/`]);
  if (!existsSync(report)) return broken(output);
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(
    readFileSync(report, 'utf8'));
  // Files that could not be loaded, or hold no test.
  const empty = testResults.filter((/** @type {{assertionResults: unknown[]}} */ result) =>
    result.assertionResults.length === 0).length;
  const missing = expected - testResults.length;
  return { passed: numPassedTests, failed: numFailedTests + empty + missing, output };
}

/** @returns {Count} */
function runRules() {
  const results = runStatic();
  const wrong = results.filter(({ problems }) => problems.length);
  const output = wrong.map(({ name, problems }) => `${name}:\n  ${problems.join('\n  ')}`);
  return {
    passed: results.length - wrong.length,
    failed: wrong.length,
    output: output.join('\n'),
  };
}

/** @type {Record<string, [string, () => Count][]>} */
const SUITES = {
  static: [['rules of the sources', runRules]],
  native: [
    ['native, under ASan and UBSan', () => runCtest('native')],
    ['native, under TSan', () => runCtest('native-tsan')],
    ['fuzzing', runFuzz],
  ],
  wasm: [['wasm, under Node', () => runVitest('wasm')]],
  browser: [['browser', () => runVitest('browser')]],
};

/** @param {string[]} names */
function main(names) {
  rmSync(REPORTS, { recursive: true, force: true });
  mkdirSync(REPORTS, { recursive: true });
  const counts = names.flatMap((name) => SUITES[name]).map(([title, suite]) => {
    const started = Date.now();
    const count = suite();
    const seconds = Math.round((Date.now() - started) / 1000);
    const { passed, failed } = count;
    if (failed) print(count.output);
    const outcome = failed ? `FAILED ${failed} of ${passed + failed}` :
      passed ? `ok ${passed}` : 'nothing here yet';
    print(`${title}: ${outcome} (${seconds} s)`);
    return count;
  });
  const { passed, failed } = add(counts);
  print(`${passed} passed, ${failed} failed`);
  process.exitCode = failed || !passed ? 1 : 0;
}

const asked = process.argv.slice(2);
main(asked.length ? asked : Object.keys(SUITES));
