// Lints openapi.yaml by Redocly's recommended rules, as redocly.yaml beside this has them. A warning fails as an error does.
'use strict'
const { formatProblems, lint, loadConfig } = require('@redocly/openapi-core')

async function main() {
    const config = await loadConfig({ configPath: `${__dirname}/redocly.yaml` })
    const problems = await lint({ ref: process.argv[2], config })
    formatProblems(problems, { format: 'codeframe', totals: { errors: 0, warnings: 0, ignored: 0 }, version: '' })
    process.exitCode = problems.length > 0 ? 1 : 0
}
main()
