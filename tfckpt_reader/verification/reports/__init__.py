"""Reports of verifications, written for those who read them: machines, services, people.

Nothing; each kind has a module, a function from reports to text that reads and writes no
file. Names come from files and may hold anything: each module escapes them as its readers need.
"""
