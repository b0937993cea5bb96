from heartloop.cli import main

main()
