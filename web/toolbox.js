/**
 * The wiring of what surrounds a run: the range test, the sheet of augmented
 * images, recipes, and the comparison of runs. main.js gives it what it needs and
 * hands its commands on. Views that are seldom used are fetched when they are.
 *
 * @module
 */

import { saveRuns } from './state/kept-runs.js';
import { latestOnly } from './state/latest.js';
import { textFromValues } from './state/link.js';
import { withOptimizer } from './state/vary.js';

/**
 * @typedef {import('./protocol.js').Failure} Failure
 * @typedef {import('./protocol.js').Session} Session
 * @typedef {import('./state/run-history.js').RunRecord} RunRecord
 * @typedef {import('./state/store.js').Store} Store
 * @typedef {import('./ui/view.js').Command} Command
 *
 * @typedef {object} Means
 * @property {Store} store
 * @property {Session} session
 * @property {(action: () => Promise<void>) => Promise<void>} attempt
 * @property {(values: Record<string, string>) => Promise<Failure|null>} configure
 */

/** Rows and columns of the sheet of augmented images. */
const SHEET = /** @type {const} */ ([5, 8]);

/**
 * A view whose code came after the page woke the others.
 * @param {Store} store
 * @param {string} name
 */
function wake(store, name) {
  const view = /** @type {import('./ui/view.js').View|null} */ (document.querySelector(name));
  if (view && !view.store) view.store = store;
}

/** @param {Means} means */
export function createToolbox({ store, session, attempt, configure }) {
  let sheetWanted = false;
  let comparing = false;

  const draftText = () => {
    const { run, draft } = store.state;
    return textFromValues({ ...run?.values, ...draft });
  };

  const askSheet = latestOnly(async (/** @type {string} */ text) => {
    try {
      store.set({ sheet: await session.augmented(text, ...SHEET) });
    } catch {
      // Not a run: the sheet of the last one stays until the settings make sense.
    }
  });

  async function findRate() {
    store.set({ rateTest: { running: true, result: null } });
    try {
      const result = await session.findRate(draftText());
      store.set({ rateTest: { running: false, result } });
    } catch (error) {
      store.set({ rateTest: null });
      throw error;
    }
  }

  /**
   * Runs one of a recipe; the others follow when it has ended.
   * @param {import('./state/recipes.js').Recipe} recipe
   * @param {number} at
   */
  async function cook(recipe, at) {
    const refusal = await configure(recipe.runs[at].values);
    if (refusal) throw refusal;
    store.set({ recipe: { recipe, at } });
  }

  /** The run is over: its figures are final, and a recipe may have another. */
  async function finish() {
    const { record, recipe, progress } = store.state;
    if (!record || !progress) return;
    // The end of a run may have brought other weights back.
    const found = await session.evaluate('test').catch(() => null);
    if (store.state.record !== record) return;
    Object.assign(record, { final: found?.accuracy ?? NaN, ended: progress.ended });
    store.set({ record });
    saveRuns([record, ...store.state.earlier]);
    if (!recipe || recipe.at + 1 >= recipe.recipe.runs.length) return;
    await cook(recipe.recipe, recipe.at + 1);
    await session.train();
  }

  /**
   * @param {number} id
   * @param {Partial<RunRecord>} patch
   */
  function changeRecord(id, patch) {
    const { record, earlier } = store.state;
    if (record?.id === id) store.set({ record: Object.assign(record, patch) });
    const changed = earlier.map((run) => (run.id === id ? { ...run, ...patch } : run));
    store.set({ earlier: changed });
    return saveRuns(changed);
  }

  async function compare() {
    if (comparing) return;
    comparing = true;
    await import('./ui/runs.js');
    wake(store, 'soma-runs');
  }

  store.subscribe((changed) => {
    const { earlier, progress } = store.state;
    if (sheetWanted && ['draft', 'run', 'data'].some((key) =>
      changed.has(/** @type {keyof import('./state/store.js').State} */ (key)))) {
      askSheet(draftText());
    }
    if (!comparing && (earlier.length || progress?.step)) attempt(compare);
  });

  return {
    finish: () => attempt(finish),

    /** @type {{[N in ToolboxCommand['name']]:
     *   (command: Extract<ToolboxCommand, {name: N}>) => unknown}} */
    commands: {
      findRate,
      stopFindRate: () => session.stopFindRate(),
      sheet: ({ wanted }) => {
        sheetWanted = wanted;
        if (wanted) askSheet(draftText());
      },
      extras: async () => {
        await Promise.all([import('./ui/rate-view.js'), import('./ui/augmentation.js')]);
        store.set({ extras: true });
      },
      recipes: async ({ open }) => {
        await import('./ui/recipe-list.js');
        store.set({ recipesOpen: open });
        wake(store, 'soma-recipes');
      },
      recipe: async ({ recipe }) => {
        await cook(recipe, 0);
        store.set({ recipesOpen: false });
      },
      leaveRecipe: () => store.set({ recipe: null }),
      vary: async ({ values, optimizer }) => {
        const refusal = await configure(withOptimizer(values, optimizer));
        if (refusal) throw refusal;
        await session.train();
      },
      showRun: ({ id, shown }) => changeRecord(id, { shown }),
      renameRun: ({ id, title }) => changeRecord(id, { title }),
      highlight: ({ id }) => store.set({ highlight: id }),
    },
  };
}

/** @typedef {import('./ui/view.js').ToolboxCommand} ToolboxCommand */
