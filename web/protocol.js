/**
 * Every message between the page and the training worker, in one place.
 *
 * Calls go from the page to the worker through Comlink: the worker exposes one
 * `Session` (below). What happens on its own (progress, evaluations, data that
 * arrives, failures) comes back as plain events: objects with a `type`, posted
 * on the worker's own port. A rejected call rejects with a `Failure`.
 *
 * Large arrays are transferred, never shared: whoever receives one owns it.
 *
 * @module
 */

/**
 * A thing that went wrong, for a person.
 * @typedef {object} Failure
 * @property {string} code      name of the status, "OUT_OF_RANGE"
 * @property {string} place     "lr", "net, layer 3", "byte 17"; may be empty
 * @property {string} sentence  what is wrong and what is allowed
 */

/**
 * One row of the options table: the page builds a control from it.
 * @typedef {object} Option
 * @property {string} key
 * @property {'network'|'choice'|'integer'|'number'|'switch'} type
 * @property {string[]} choices   for `choice`
 * @property {number} min         for numbers, inclusive
 * @property {number} max
 * @property {string} default     as text
 * @property {string} help        one sentence
 * @property {string} group       heading under which the page shows it
 * @property {boolean} live       may change during a run
 */

/**
 * @typedef {object} LayerKind
 * @property {string} name     "dense"
 * @property {string} usage    "dense UNITS"
 * @property {string} help     one sentence
 */

/**
 * What the engine says of itself once it runs.
 * @typedef {object} EngineInfo
 * @property {'exact'|'exact-threads'|'fast'|'fast-threads'} build
 * @property {number} threads
 * @property {string} reason       why this build and this many threads, in words
 * @property {Option[]} options
 * @property {LayerKind[]} layers
 */

/**
 * @typedef {object} ParameterInfo
 * @property {string} name       "0.weight"
 * @property {number[]} shape    [128, 784], PyTorch's layout
 *
 * @typedef {object} LayerInfo
 * @property {string} text       "dense 128"
 * @property {number[]} shape    of its output, without the batch: [128] or [C,H,W]
 * @property {ParameterInfo[]} parameters
 *
 * What a run description became.
 * @typedef {object} RunInfo
 * @property {string} text           every key, one `key=value` a line
 * @property {string} short          only what differs from the defaults
 * @property {Record<string,string>} values   key → value as text
 * @property {Record<string,string>} notes    key → why it has no effect beside the others
 * @property {LayerInfo[]} layers
 * @property {number} parameterCount
 * @property {number} stepsPerEpoch
 * @property {number} trainCount      images that train
 * @property {number} validationCount
 * @property {number} testCount
 */

/**
 * Where a run stands. Sent about every 100 ms while training, or every `pauseMs`
 * where that is longer, and after every call that changes it.
 * @typedef {object} Progress
 * @property {'progress'} type
 * @property {'empty'|'ready'|'training'|'waiting'|'paused'|'finished'|'failed'} phase
 *   `empty`: no data yet; `waiting`: training, but the next images are not here
 * @property {number} pauseMs           how long the page should rest between frames,
 *   because training takes every core; 0 where it does not
 * @property {number} step
 * @property {number} totalSteps
 * @property {number} epoch            whole epochs done
 * @property {number} epochs
 * @property {number} stepInEpoch
 * @property {number} loss             running mean over the last steps; NaN before the first
 * @property {number} accuracy         the same, 0..1
 * @property {number} learningRate     of the last step
 * @property {number} imagesPerSecond  training only, evaluations not counted
 * @property {number} trainingMs       time spent in training steps so far
 * @property {number} secondsLeft      NaN when unknown
 * @property {string} fingerprint      of the weights; '' while training
 * @property {'epochs'|'steps'|'seconds'|'target'|'patience'|null} ended
 *   why the run is over; null while it is not
 * @property {Point[]} points          chart points since the last progress
 * @property {Float32Array|null} watched   probabilities of the watched digit, [10]
 *
 * A point of the training curves: the mean over the steps since the last one.
 * @typedef {object} Point
 * @property {number} step
 * @property {number} epoch     fractional
 * @property {number} loss
 * @property {number} accuracy
 * @property {number} learningRate
 */

/**
 * The outcome of running the network over a whole set.
 * @typedef {object} Evaluation
 * @property {'evaluation'} type
 * @property {'train'|'validation'|'test'} set
 * @property {number} step
 * @property {number} epoch           fractional
 * @property {boolean} live           a look in passing, not the end of an epoch
 * @property {number} count
 * @property {number} loss
 * @property {number} accuracy
 * @property {Uint32Array} confusion        [10,10], row = label, column = prediction
 * @property {Uint8Array|null} predicted
 *   [count], for the test set; null when a newer evaluation follows at once
 * @property {Float32Array|null} probabilities   [count,10], likewise
 */

/**
 * Data on its way.
 * @typedef {object} DataProgress
 * @property {'data'} type
 * @property {'loading'|'complete'|'failed'} phase
 * @property {string} source          "MNIST", or the file names
 * @property {number} bytesDone
 * @property {number} bytesTotal
 * @property {number} secondsLeft     NaN when unknown
 * @property {number} imagesReady     training images here
 * @property {number} imagesTotal
 * @property {number} testReady
 * @property {number} testTotal
 * @property {Failure|null} failure   when a shard could not be had
 *
 * The test images, as soon as they are all here (and again for new data).
 * @typedef {object} TestImages
 * @property {'testimages'} type
 * @property {Uint8Array} images   [count,784]
 * @property {Uint8Array} labels   [count]
 *
 * Something failed on its own (a run that stopped being finite, …).
 * @typedef {{ type: 'failure', failure: Failure, canRestore: boolean }} FailureEvent
 *
 * @typedef {Progress|Evaluation|DataProgress|TestImages|FailureEvent} WorkerEvent
 */

/**
 * The forward pass of one image, layer by layer.
 * @typedef {object} Trace
 * @property {Float32Array} input           [784], 0..1
 * @property {{text: string, shape: number[], values: Float32Array}[]} layers
 * @property {Float32Array} probabilities   [10]
 */

/**
 * What a run description would do, before it runs.
 * @typedef {object} Plan
 * @property {Record<string,string>} notes   key → why it has no effect
 * @property {Float64Array} epoch            [points] places of the run, fractional
 * @property {Float64Array} rate             [points] the learning rate planned there
 *
 * The learning-rate range test: a copy of the network trains while the rate rises.
 * @typedef {object} RateTest
 * @property {Float64Array} rates      ascending
 * @property {Float64Array} losses     smoothed, after a step with each rate
 * @property {number} steepest         where the loss falls fastest; NaN: nowhere
 * @property {number} lowest           where it is lowest
 * @property {number} blowUp           where it explodes; NaN: nowhere
 * @property {number} suggested        a rate to try; NaN when there is none
 *
 * Training images and what augmentation makes of them: for each image one row, the
 * image itself first, then as it looks in epoch 0, 1, …
 * @typedef {object} AugmentedSheet
 * @property {number} rows
 * @property {number} columns
 * @property {Uint8Array} images   [rows × columns,784]
 */

/**
 * What the worker exposes through Comlink.
 * @typedef {object} Session
 * @property {(settings: {build: string, threads: string, engineBase: string,
 *   run: string}) => Promise<{engine: EngineInfo, run: RunInfo}>} open
 *   load the engine; an unreadable run falls back to the defaults and is
 *   reported through a `failure` event
 * @property {(base: string) => Promise<void>} loadSite
 *   fetch the site's shards (again, when some failed); returns at once, `data`
 *   events tell the rest
 * @property {(files: File[]) => Promise<RunInfo>} loadFiles
 *   replace the data set by IDX files, with a fresh network; rejects and keeps
 *   the old one when they do not fit
 * @property {(run: string) => Promise<RunInfo>} configure
 *   a new network from a run description (keys left out take their defaults);
 *   rejects and keeps the old one when it is not allowed
 * @property {(key: string, value: string) => Promise<RunInfo>} set
 *   change a live option without touching the weights
 * @property {() => Promise<void>} train
 * @property {() => Promise<void>} pause
 * @property {(count: number) => Promise<void>} step     run that many batches
 * @property {() => Promise<void>} epoch                 run to the end of this epoch
 * @property {() => Promise<void>} reset                 same description, step 0
 * @property {() => Promise<void>} restore               back to the last finite state
 * @property {(stepsPerSecond: number) => Promise<void>} setSpeed  Infinity = full
 * @property {(pixels: Uint8Array|null) => Promise<Float32Array|null>} watch
 *   [784]: predict it now and with every progress; null stops
 * @property {(pixels: Uint8Array) => Promise<Trace>} trace   [784]
 * @property {(name: string) => Promise<{shape: number[], values: Float32Array}>} parameter
 * @property {(set: 'train'|'validation'|'test') => Promise<Evaluation>} evaluate
 * @property {(live: boolean) => Promise<void>} setLiveWall
 *   also evaluate the test set in passing: about 4 times a second while training
 *   (less often where that would take more than 3 % of the time), and whenever the
 *   run comes to rest; on from the start
 * @property {(run: string) => Promise<Plan>} plan
 *   look at a description without using it
 * @property {(run: string) => Promise<RateTest>} findRate
 *   the range test of a description, in slices beside whatever runs; another test,
 *   `stopFindRate` or another data set ends it with what it has found so far
 * @property {() => Promise<void>} stopFindRate
 * @property {(run: string, rows: number, columns: number) =>
 *   Promise<AugmentedSheet|null>} augmented
 *   what a description's augmentation does to the first training images; null while
 *   none has arrived
 */

export {};
